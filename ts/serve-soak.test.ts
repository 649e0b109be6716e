// Minutes of mixed requests with cancels against a real server process: nothing is lost or mixed up, memory is flat.
// Only with MLX_CLUSTER_ROUNDS=full (make test-full).

import { readFile } from "node:fs/promises"
import t from "tap"
import { startServer } from "./testing/server-process.ts"
import { until } from "./testing/until.ts"

const SOAK_MS = 120_000
const WARM_MS = 20_000
const CLIENTS = 8
/** A process may grow by so much after it is warm. */
const GROWTH_BYTES = 64 * 1024 * 1024

async function rssBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8")
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024
}

/** Of requests; `wrong` holds the first texts that were not as expected. */
interface Tally {
  answered: number
  cancelled: number
  wrong: string[]
}

async function client(address: string, index: number, endMs: number, tally: Tally): Promise<void> {
  for (let turn = 0; performance.now() < endMs; turn++) {
    const [a, b] = [(index * 7 + turn) % 50, (turn * 3) % 50]
    const leaves = turn % 3 === 2
    const content = leaves ? "Count from 1 to 200." : `What is ${a} + ${b}?`
    const stream = leaves || turn % 2 === 0
    const left = new AbortController()
    const response = await fetch(`${address}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        messages: [{ role: "user", content }],
        temperature: 0,
        reasoning_effort: "none",
        max_tokens: 400,
        stream,
      }),
      signal: AbortSignal.any([left.signal, AbortSignal.timeout(60_000)]),
    })
    if (leaves) {
      await response.body?.getReader().read()
      left.abort()
      tally.cancelled += 1
      continue
    }
    const body = await response.text()
    const text = [...body.matchAll(/"content":"([^"]*)"/g)].map(([, piece]) => piece).join("")
    if (text === `${a} + ${b} = ${a + b}`) tally.answered += 1
    else tally.wrong.push(`${response.status} ${content} -> ${text === "" ? body.slice(0, 200) : text}`)
  }
}

const skip = process.env["MLX_CLUSTER_ROUNDS"] !== "full" && "only in make test-full"
const noProc = process.platform !== "linux" && "reads /proc"

t.test("minutes of mixed requests leave memory flat and every answer right", { skip: skip || noProc }, async (t) => {
  const server = startServer({ model: "tiny", stateFolder: t.testdir(), http: { port: 0 } })
  t.teardown(() => server.child.kill("SIGKILL"))
  const address = await server.ready
  const pids = [server.child.pid ?? 0, ...server.ranks()]
  const load = async (ms: number) => {
    const tally: Tally = { answered: 0, cancelled: 0, wrong: [] }
    const endMs = performance.now() + ms
    await Promise.all(Array.from({ length: CLIENTS }, (_, index) => client(address, index, endMs, tally)))
    return tally
  }
  await load(WARM_MS)
  const warm = await Promise.all(pids.map(rssBytes))
  const tally = await load(SOAK_MS)
  t.same(tally.wrong.slice(0, 5), [])
  t.ok(tally.answered > 0 && tally.cancelled > 0, `${tally.answered} answers, ${tally.cancelled} cancels`)
  const hot = await Promise.all(pids.map(rssBytes))
  for (const [index, name] of ["front", "rank"].entries()) {
    const grown = (hot[index] ?? 0) - (warm[index] ?? 0)
    t.ok(grown < GROWTH_BYTES, `the ${name} grew by ${(grown / 1024 / 1024).toFixed(1)} MiB`)
  }
  t.same(server.ranks(), pids.slice(1), "no rank was lost")
  await until(async () => {
    const health: unknown = await (await fetch(`${address}/health`)).json()
    return typeof health === "object" && health !== null && "queue_size" in health && health.queue_size === 0
  })
  server.child.kill("SIGTERM")
  t.equal((await server.ended).code, 0)
})
