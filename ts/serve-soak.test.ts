// Mixed requests with cancels against a real server: every answer is right, nothing that an answer holds is left behind,
// memory is flat. Seconds in make test; with MLX_CLUSTER_ROUNDS=full (make test-full) 10,000 requests at least and
// MLX_CLUSTER_SOAK_MINUTES.

import t from "tap"
import { metric } from "./testing/metrics.ts"
import { mebibytes, processMemory } from "./testing/process-memory.ts"
import { startServer } from "./testing/server-process.ts"
import { askSum, sumOf } from "./testing/sums.ts"
import { until } from "./testing/until.ts"

const isFull = process.env["MLX_CLUSTER_ROUNDS"] === "full"
const MINUTES = isFull ? Number(process.env["MLX_CLUSTER_SOAK_MINUTES"] ?? 5) : 0
const REQUESTS = isFull ? 10_000 : 150
const CLIENTS = 8
/** Until the code is compiled and the prefix cache is full. */
const WARM_REQUESTS = isFull ? 3_000 : 30
const SAMPLE_MS = 500
/** The second half of the soak may need so much more than the first at most. */
const GROWTH_BYTES = 16 * 2 ** 20

/** KV of the tiny model for 4,096 positions, one whole context: what is left behind is missed soon. */
const KV_BYTES = 64 * 2 ** 20
const WHOLE_CONTEXT = "7\n".repeat(2000)

interface Tally {
  answered: number
  cancelled: number
  readonly faults: string[]
}

/** Until both are reached. */
async function soak(address: string, from: number, requests: number, ms: number): Promise<Tally> {
  const tally: Tally = { answered: 0, cancelled: 0, faults: [] }
  const endMs = performance.now() + ms
  let next = 0
  const client = async () => {
    while (next < requests || performance.now() < endMs) {
      const index = from + next++
      const manner = index % 3 === 2 ? "leave" : index % 2 === 0 ? "stream" : "whole"
      const fault = await askSum(address, sumOf(index % 1600), manner)
      if (fault !== null) tally.faults.push(fault)
      else if (manner === "leave") tally.cancelled++
      else tally.answered++
    }
  }
  await Promise.all(Array.from({ length: CLIENTS }, client))
  return tally
}

/** Takes nearly all of the KV memory: fails or evicts where blocks are lost. */
async function askWholeContext(address: string): Promise<unknown> {
  const response = await fetch(`${address}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ prompt: WHOLE_CONTEXT, max_tokens: 8, temperature: 0, ignore_eos: true }),
    signal: AbortSignal.timeout(60_000),
  })
  const body: { usage?: { completion_tokens: number } } = JSON.parse(await response.text())
  return body.usage?.completion_tokens ?? body
}

const timeout = (MINUTES + 10) * 60_000

t.test("mixed requests and cancels leave nothing behind", { timeout }, async (t) => {
  const server = startServer({
    model: "tiny",
    stateFolder: t.testdir(),
    http: { port: 0 },
    engine: { kvBytes: KV_BYTES },
  })
  t.teardown(() => server.child.kill("SIGKILL"))
  const address = await server.ready
  const pids = [server.child.pid ?? 0, ...server.ranks()]
  t.equal(await askWholeContext(address), 8)
  const warm = await soak(address, 0, WARM_REQUESTS, 0)

  const samples: number[][] = pids.map(() => [])
  const sample = async () => {
    for (const [index, pid] of pids.entries()) samples[index]?.push((await processMemory(pid)).rssBytes)
  }
  const watch = setInterval(
    () => void sample().catch(() => undefined),
    process.platform === "linux" ? SAMPLE_MS : 2 ** 30,
  )
  t.teardown(() => clearInterval(watch))
  const tally = await soak(address, WARM_REQUESTS, REQUESTS, MINUTES * 60_000)
  clearInterval(watch)

  t.same([...warm.faults, ...tally.faults].slice(0, 5), [])
  t.ok(tally.answered > 0 && tally.cancelled > 0, `${tally.answered} answers, ${tally.cancelled} cancels`)
  await until(async () => {
    const held = ["engine_slots_used", "engine_sequences", "requests_active", "requests_running", "queue_depth"]
    const counts = await Promise.all(held.map((name) => metric(address, name)))
    return counts.every((count) => count === 0)
  })
  t.equal(await askWholeContext(address), 8, "one sequence can still have all of the KV memory")
  t.same(server.ranks(), pids.slice(1), "no rank was lost")
  for (const [index, name] of isFull && process.platform === "linux" ? [...["front", "rank"].entries()] : []) {
    const sizes = samples[index] ?? []
    const half = Math.floor(sizes.length / 2)
    const [first, second] = [Math.max(...sizes.slice(0, half)), Math.max(...sizes.slice(half))]
    t.ok(
      second - first < GROWTH_BYTES,
      `the ${name} grew by ${mebibytes(second - first)} MiB, to ${mebibytes(second)} MiB at most`,
    )
  }
  server.child.kill("SIGTERM")
  t.equal((await server.ended).code, 0)
})
