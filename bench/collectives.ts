// What a collective costs over each transport: our TCP group, MLX's ring, and JACCL with and without its guard (over fake
// verbs unless MLX_CLUSTER_JACCL names another library). Sums of f32 over rank processes of this machine.
// node dist/bench/collectives.js [--ranks 2] [--rounds 3]

import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { LINK_ROW_BYTES, type LinkBench, openLinkBench, type RankTransport } from "../ts/engine/index.ts"
import { finish, machine, percentile, table } from "./report.ts"

const ROOT = fileURLToPath(new URL("../../", import.meta.url))
const FAKE = `${ROOT}target/fake-verbs/libmlx_jaccl_verbs.so`
const HOST = "127.0.0.1"
const MIB = 2 ** 20

interface Size {
  readonly name: string
  readonly bytes: number
  readonly repeats: number
}
const SIZES: readonly Size[] = [
  { name: "4 KB", bytes: 4096, repeats: 300 },
  { name: "4 MB", bytes: 4 * MIB, repeats: 12 },
  { name: "64 MB", bytes: 64 * MIB, repeats: 3 },
]

interface Way extends Pick<RankTransport, "backend" | "seals" | "guard"> {
  readonly name: string
}
const WAYS: readonly Way[] = [
  { name: "TCP", backend: "tcp" },
  { name: "TCP without seals", backend: "tcp", seals: false },
  { name: "MLX ring", backend: "ring" },
  { name: "MLX ring without seals", backend: "ring", seals: false },
  { name: "JACCL mesh", backend: "jaccl" },
  { name: "JACCL mesh without seals", backend: "jaccl", seals: false },
  { name: "JACCL mesh without guard and seals", backend: "jaccl", guard: false, seals: false },
  { name: "JACCL ring", backend: "jaccl-ring" },
]

interface Start {
  readonly rank: number
  readonly size: number
}
type Meeting = Parameters<typeof openLinkBench>[1] extends { meet: (port: number) => Promise<infer M> } ? M : never

// ------------------------------------------------------------------------------------------------------------ a rank

/** Obeys the parent: the start, the meeting, then sizes. */
async function rank(send: (message: unknown) => void): Promise<void> {
  const next = async <T>(): Promise<T> => (await once(process, "message"))[0]
  process.once("disconnect", () => process.kill(process.pid, "SIGKILL"))
  const { rank: self, size } = await next<Start>()
  const place = {
    rank: self,
    size,
    host: HOST,
    meet(port: number) {
      const meeting = next<Meeting>()
      send(port)
      return meeting
    },
  }
  const bench: LinkBench = await openLinkBench({ threads: 1 }, place, `${ROOT}fixtures/tiny-qwen3`)
  process.on("message", ({ bytes, repeats }: Size) => {
    send(bench.run({ rows: bytes / LINK_ROW_BYTES, repeats, seed: 1, check: false }).microseconds)
  })
  send("ready")
}

// -------------------------------------------------------------------------------------------------------- the parent

/** Between every two ranks one cable. */
function devicesOf(size: number): string[][][] {
  const ranks = Array.from({ length: size }, (_, at) => at)
  return ranks.map((from) => ranks.map((to) => (from === to ? [] : [`rdma_en${1 + ((to + size - from) % size)}`])))
}

async function measure({ backend, guard, seals }: Way, size: number): Promise<ReadonlyMap<string, number[]>> {
  const session = `bench-${process.pid}-${performance.now()}`
  const env = {
    ...process.env,
    MLX_CLUSTER_JACCL: process.env["MLX_CLUSTER_JACCL"] ?? FAKE,
    FAKE_VERBS_SESSION: session,
  }
  const ranks = Array.from({ length: size }, () =>
    fork(fileURLToPath(import.meta.url), { env, serialization: "advanced" }),
  )
  const all = async <T>(message: (at: number) => object): Promise<T[]> =>
    await Promise.all(
      ranks.map(async (child: ChildProcess, at) => {
        const gone = once(child, "exit").then(() => {
          throw new Error(`rank ${at} ended`)
        })
        const answer = once(child, "message").then(([value]): T => value)
        child.send(message(at))
        return await Promise.race([answer, gone])
      }),
    )
  try {
    const ports = await all<number>((at) => ({ rank: at, size }) satisfies Start)
    const checks = { ...(guard === undefined ? {} : { guard }), ...(seals === undefined ? {} : { seals }) }
    const devices = backend.startsWith("jaccl") ? devicesOf(size) : []
    const addresses = ports.map((port) => ({ host: HOST, port }))
    await all(() => ({ transport: { backend, devices, ...checks }, addresses, nonce: "b6".repeat(32) }))
    const times = new Map<string, number[]>()
    for (const one of SIZES) {
      await all(() => ({ ...one, repeats: Math.ceil(one.repeats / 10) }))
      const perRank = await all<number[]>(() => one)
      // Who came last did not wait for the others: his is the time of the collective alone.
      times.set(
        one.name,
        (perRank[0] ?? []).map((_, at) => Math.min(...perRank.map((of) => of[at] ?? Infinity))),
      )
    }
    return times
  } finally {
    for (const child of ranks) child.kill("SIGKILL")
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { ranks: { type: "string", default: "2" }, rounds: { type: "string", default: "3" } },
  })
  const [size, rounds] = [Number(values.ranks), Number(values.rounds)]
  const ways = WAYS.filter(({ backend }) => !backend.startsWith("jaccl") || existsSync(env("MLX_CLUSTER_JACCL", FAKE)))
  const found = new Map<string, Map<string, number[]>>()
  for (let round = 0; round < rounds; round++) {
    for (const way of ways) {
      const times = await measure(way, size)
      const kept = found.get(way.name) ?? new Map<string, number[]>()
      for (const [name, list] of times) kept.set(name, [...(kept.get(name) ?? []), ...list])
      found.set(way.name, kept)
    }
  }
  const rows = [...found].map(([transport, times]) => {
    const of = (name: string, share: number) => percentile(times.get(name) ?? [], share)
    const rate = (name: string, bytes: number) => bytes / of(name, 0.5) / 1000
    return {
      transport,
      "4 KB p50 µs": of("4 KB", 0.5),
      "4 KB p99 µs": of("4 KB", 0.99),
      "4 MB GB/s": rate("4 MB", 4 * MIB),
      "64 MB GB/s": rate("64 MB", 64 * MIB),
    }
  })
  process.stdout.write(`${size} ranks on one machine, ${rounds} rounds, load ${machine()["load"]}\n`)
  table(rows)
  finish("collectives", { ranks: size, rounds, rows })
}

const env = (name: string, otherwise: string): string => process.env[name] ?? otherwise

await (process.send === undefined ? main() : rank((message) => process.send?.(message)))
