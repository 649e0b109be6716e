// kill -9 of the rank process under a stream, again and again, against a real server process.
// MLX_CLUSTER_ROUNDS=full (make test-full) takes twenty rounds instead of three.

import { readFile } from "node:fs/promises"
import t from "tap"
import { isAlive, startServer } from "./testing/server-process.ts"
import { readyStatus, until, untilReady } from "./testing/until.ts"

const ROUNDS = process.env["MLX_CLUSTER_ROUNDS"] === "full" ? 20 : 3
/** From the kill to the error event at the client. */
const ERROR_EVENT_MS = 2_000
/** The front may grow by so much between the first round, which warms it, and the last. */
const GROWTH_BYTES = 32 * 1024 * 1024

async function chat(address: string, content: string, stream = false): Promise<Response> {
  const body = { messages: [{ role: "user", content }], temperature: 0, reasoning_effort: "none", stream }
  return await fetch(`${address}/v1/chat/completions`, {
    method: "POST",
    // A connection of its own: the server closes idle ones after 10 s, and a restart on a busy machine may take that long.
    headers: { "content-type": "application/json", connection: "close" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(60_000),
  })
}

/** Reads a stream to its end; `onText` once some of the answer has come. */
async function readStream(response: Response, onText: () => void): Promise<{ text: string; events: string }> {
  let events = ""
  let called = false
  const decoder = new TextDecoder()
  for await (const part of response.body ?? []) {
    events += decoder.decode(part, { stream: true })
    if (called || !events.includes('"content":"1')) continue
    called = true
    onText()
  }
  const text = [...events.matchAll(/"content":"((?:[^"\\]|\\.)*)"/g)].map(([, piece]) => piece).join("")
  return { text, events }
}

async function rssBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8")
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024
}

const COUNT = "Count from 1 to 200."
const timeout = 60_000 + ROUNDS * 20_000

t.test("without replay a lost rank is an error event, 503, and then all is well again", { timeout }, async (t) => {
  const server = startServer({ model: "tiny", stateFolder: t.testdir(), http: { port: 0 }, replay: false })
  t.teardown(() => server.child.kill("SIGKILL"))
  const address = await server.ready
  const front = server.child.pid ?? 0
  const pids: number[] = []
  let warm = 0
  for (let round = 0; round < ROUNDS; round++) {
    const [rank = 0, ...others] = server.ranks()
    t.same(others, [], "one rank")
    pids.push(rank)
    let killedMs = Number.NaN
    const { events } = await readStream(await chat(address, COUNT, true), () => {
      killedMs = performance.now()
      process.kill(rank, "SIGKILL")
    })
    const tookMs = performance.now() - killedMs
    t.match(events, '"code":"engine_lost"', `round ${round}: an error event`)
    t.ok(tookMs < ERROR_EVENT_MS, `after ${tookMs.toFixed(0)} ms`)
    t.equal(await readyStatus(address), 503)
    await untilReady(address)
    const after = await (await chat(address, "What is 17 + 25?")).text()
    t.match(after, "17 + 25 = 42", "the next request works")
    if (process.platform === "linux" && round === 0) warm = await rssBytes(front)
  }
  if (process.platform === "linux") {
    const grown = (await rssBytes(front)) - warm
    t.ok(grown < GROWTH_BYTES, `the front grew by ${(grown / 1024 / 1024).toFixed(1)} MiB in ${ROUNDS} rounds`)
  }
  t.equal(new Set(pids).size, ROUNDS)
  pids.push(...server.ranks())
  server.child.kill("SIGTERM")
  t.equal((await server.ended).code, 0)
  await until(() => !pids.some(isAlive))
})

t.test("with replay a stream goes on in the next rank, and its text is the same", { timeout }, async (t) => {
  const server = startServer({ model: "tiny", stateFolder: t.testdir(), http: { port: 0 } })
  t.teardown(() => server.child.kill("SIGKILL"))
  const address = await server.ready
  const whole = await readStream(await chat(address, COUNT, true), () => undefined)
  t.match(whole.text, "199, 200")
  for (let round = 0; round < ROUNDS; round++) {
    const [rank = 0] = server.ranks()
    const { text, events } = await readStream(await chat(address, COUNT, true), () => process.kill(rank, "SIGKILL"))
    t.equal(text, whole.text, `round ${round}`)
    t.notMatch(events, '"error"')
    t.not(server.ranks()[0], rank, "a new rank finished it")
    await untilReady(address)
  }
  server.child.kill("SIGTERM")
  t.equal((await server.ended).code, 0)
})
