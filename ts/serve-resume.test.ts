// Resumable streams of a real server process with the tiny model: what a client with a bad connection gets.

import t from "tap"
import { startServer } from "./testing/server-process.ts"
import { until } from "./testing/until.ts"

const server = startServer({ model: "tiny", stateFolder: t.testdir(), http: { port: 0 } })
t.teardown(async () => {
  server.child.kill("SIGTERM")
  await server.ended
})
const url = await server.ready
const CUTS = 50

const request = {
  messages: [{ role: "user", content: "Count from 1 to 60." }],
  stream: true,
  temperature: 1,
  seed: 7,
  max_tokens: 150,
}

interface Event {
  readonly id: number
  readonly data: string
}

const post = (body: object, signal: AbortSignal | null = null) =>
  fetch(`${url}/v1/chat/completions`, { method: "POST", body: JSON.stringify(body), signal })

/** Events until the end, or until `most` have come, which cuts the connection. */
async function take(response: Response, most: number): Promise<Event[]> {
  const events: Event[] = []
  const decoder = new TextDecoder()
  let text = ""
  for await (const bytes of response.body ?? []) {
    text += decoder.decode(bytes, { stream: true })
    const blocks = text.split("\n\n")
    text = blocks.pop() ?? ""
    for (const block of blocks) {
      const match = /^(?:id: (\d+)\n)?data: (.*)$/.exec(block)
      if (match !== null) events.push({ id: Number(match[1] ?? 0), data: match[2] ?? "" })
      if (events.length >= most) return events
    }
  }
  return events
}

function said(events: readonly Event[]): string {
  const deltas = events
    .filter(({ data }) => data !== "[DONE]")
    .map(({ data }) => JSON.parse(data).choices[0]?.delta ?? {})
  return deltas.map((delta) => `${delta.reasoning_content ?? ""}${delta.content ?? ""}`).join("")
}

const metrics = async (): Promise<string> => await (await fetch(`${url}/metrics`)).text()

async function queue(): Promise<{ active: number; running: number }> {
  const text = await (await fetch(`${url}/queue`)).text()
  return JSON.parse(text)
}

t.test(`a stream that is cut ${CUTS} times at random points says what the uncut one says`, async (t) => {
  const uncut = said(await take(await post(request), Number.POSITIVE_INFINITY))
  let cuts = 0
  while (cuts < CUTS) {
    const most = () => 1 + Math.floor(Math.random() * 30)
    const response = await post({ ...request, resumable: true })
    const stream = response.headers.get("x-stream-id") ?? ""
    const events = await take(response, most())
    while (events.at(-1)?.data !== "[DONE]") {
      cuts++
      const headers = { "last-event-id": String(events.at(-1)?.id ?? 0) }
      events.push(...(await take(await fetch(`${url}/v1/streams/${stream}`, { headers }), most())))
    }
    t.equal(said(events), uncut)
    t.same(
      events.map(({ id }) => id),
      events.map((_, index) => index + 1),
    )
  }
})

t.test("a stream that nobody reads goes on after the loss of its rank, too", async (t) => {
  const long = { ...request, ignore_eos: true, max_tokens: 1_000 }
  const uncut = said(await take(await post(long), Number.POSITIVE_INFINITY))
  const response = await post({ ...long, resumable: true })
  const events = await take(response, 5)
  const [rank] = server.ranks()
  if (rank !== undefined) process.kill(rank, "SIGKILL")
  await until(async () => /^mlx_cluster_engine_restarts_total [1-9]/m.test(await metrics()))
  const headers = { "last-event-id": "5" }
  const path = `${url}/v1/streams/${response.headers.get("x-stream-id")}`
  events.push(...(await take(await fetch(path, { headers }), Number.POSITIVE_INFINITY)))
  t.equal(said(events), uncut)
})

t.test("a stream that nobody asked to keep ends with its connection", async (t) => {
  const endless = { ...request, ignore_eos: true, max_tokens: 4_000 }
  for (let round = 0; round < 5; round++) {
    const gone = new AbortController()
    const response = await post(endless, gone.signal)
    await response.body?.getReader().read()
    gone.abort()
    await until(async () => (await queue()).running === 0)
  }
  t.match(await queue(), { active: 0, running: 0 })
  // In the rank, too: four thousand tokens would take it seconds.
  const sequences = async () => /^mlx_cluster_engine_sequences (\d+)/m.exec(await metrics())?.[1]
  await until(async () => (await sequences()) === "0")
})
