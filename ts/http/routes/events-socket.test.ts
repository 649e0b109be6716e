import { decodeFromCompressedBase64 } from "hdr-histogram-js"
import t from "tap"
import { WebSocket } from "ws"
import { CHAT, SERVERS, startServer } from "../testing/start-server.ts"

interface Message {
  readonly type: string
  readonly snapshot: { readonly total_requests: number }
  readonly histograms?: Readonly<
    Record<string, { readonly unit: string; readonly count: number; readonly hdr: string }>
  >
}

/** Texts in order, as they come; the code when it closes. */
function watch(url: string, headers: Readonly<Record<string, string>> = {}) {
  const ws = new WebSocket(`${url.replace("http", "ws")}/events`, { headers })
  const texts: string[] = []
  const waiting: { readonly count: number; resolve(): void }[] = []
  ws.on("message", (data) => {
    texts.push(data.toString())
    for (const waiter of waiting) if (texts.length >= waiter.count) waiter.resolve()
  })
  const refused = new Promise<number | undefined>((resolve) => {
    ws.on("unexpected-response", (_request, response) => resolve(response.statusCode))
  })
  const closed = new Promise<number>((resolve) => ws.on("close", (code) => resolve(code)))
  ws.on("error", () => undefined)
  return {
    ws,
    refused,
    closed,
    texts,
    async message(number: number): Promise<Message> {
      if (texts.length <= number)
        await new Promise<void>((resolve) => waiting.push({ count: number + 1, resolve: () => resolve() }))
      return JSON.parse(texts[number] ?? "")
    },
  }
}

for (const name of SERVERS) {
  t.test(`${name}: a WebSocket watches the snapshot, with histograms that give any percentile`, async (t) => {
    const { url, post, engine, server } = await startServer(t, name)
    await (await post("/v1/chat/completions", CHAT)).text()
    engine.reportWork({
      stepUs: [1000, 2000, 3000],
      collectiveUs: [],
      collectives: { operations: 0, bytes: 0, microseconds: 0 },
    })
    const [one, other] = [watch(url), watch(url)]
    const first = await one.message(0)
    t.match(first, { type: "snapshot", snapshot: { total_requests: 1, model: { id: "org/scripted-1b" } } })
    t.same(Object.keys(first.histograms ?? {}).length, 9)
    const step = first.histograms?.["step"]
    t.match(step, { unit: "ms", count: 3 })
    const decoded = decodeFromCompressedBase64(step?.hdr ?? "")
    t.same([decoded.totalCount, Math.round(decoded.getValueAtPercentile(50) / 1000)], [3, 2])

    await (await post("/v1/chat/completions", CHAT)).text()
    t.match(await one.message(1), { type: "snapshot", snapshot: { total_requests: Number } })
    await other.message(1)
    // A tick may have come to the first one alone; from then on both get the same bytes.
    const last = one.texts.at(-1) ?? ""
    t.ok(other.texts.includes(last), "what one viewer costs, the other has too")
    t.notMatch(last, "histograms", "which come in the first message, then every fifth second")
    await server.close()
    t.ok([1001, 1006].includes(await one.closed))
    await other.closed
  })

  t.test(`${name}: its handshake passes the gate`, async (t) => {
    const { url } = await startServer(t, name, { keys: ["secret"] })
    t.equal(await watch(url).refused, 401)
    t.equal(await watch(url, { origin: "https://evil.example" }).refused, 403)
    const friend = watch(url, { authorization: "Bearer secret" })
    t.match(await friend.message(0), { type: "snapshot" })
    friend.ws.terminate()
  })
}
