// How much memory does the server take? The engine alone, from before MLX is loaded to after a load of streams, against
// its weights and its bound of KV memory; and the front of a real server that has nothing to do. Linux: reads /proc.
//
//   node dist/bench/memory.js --streams 8 --threads 1

import { readFileSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import { parseArgs } from "node:util"
import { openBenchEngine } from "./engine-driver.ts"
import { finish, table } from "./report.ts"
import { ownServer, startServerProcess } from "./server-process.ts"
import { numericOf, ROOT, STARTER_MODEL } from "./settings.ts"

const { values } = parseArgs({
  options: {
    model: { type: "string", default: STARTER_MODEL },
    streams: { type: "string", default: "8" },
    threads: { type: "string", default: "1" },
    numeric: { type: "string", default: "int8x2" },
    prompt: { type: "string", default: "512" },
    generate: { type: "string", default: "64" },
    seed: { type: "string", default: "1" },
  },
})

/** Growth of the engine may be so many times its weights, the KV memory aside. */
const WEIGHT_RATIO = 1.5
const FRONT_BYTES = 150e6
/** After it is ready, until start-up work is over. */
const IDLE_MS = 5000

function memoryBytes(pid: number | "self", name: "VmRSS" | "VmHWM"): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8")
  return Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1] ?? Number.NaN) * 1024
}

const megabytes = (bytes: number): number => Math.round(bytes / 1e5) / 10

const before = memoryBytes("self", "VmRSS")
const engine = await openBenchEngine(
  values.model,
  { threads: Number(values.threads), numeric: numericOf(values.numeric) },
  Number(values.seed),
)
const loaded = memoryBytes("self", "VmRSS") - before
await engine.run({ streams: Number(values.streams), prompt: Number(values.prompt), generate: Number(values.generate) })
const peak = memoryBytes("self", "VmHWM") - before
const { weightBytes, kvBytesTotal } = engine.facts
await engine.close()

const server = await startServerProcess(ownServer(ROOT, values.model, ["--threads", values.threads]))
await sleep(IDLE_MS)
const front = memoryBytes(server.pid, "VmRSS")
await server.close()

const bound = WEIGHT_RATIO * weightBytes + kvBytesTotal
table([
  { what: "weights, MB", value: megabytes(weightBytes) },
  { what: "KV memory at most, MB", value: megabytes(kvBytesTotal) },
  { what: "engine grew by its load, MB", value: megabytes(loaded) },
  { what: "and to its peak under streams, MB", value: megabytes(peak) },
  { what: "bound of that, MB", value: megabytes(bound) },
  { what: "front with nothing to do, MB", value: megabytes(front) },
  { what: "bound of that, MB", value: megabytes(FRONT_BYTES) },
])
finish("memory", { ...values, weightBytes, kvBytesTotal, loaded, peak, bound, front, frontBound: FRONT_BYTES })
if (peak > bound || front > FRONT_BYTES) process.exitCode = 1
