import { once } from "node:events"
import { connect } from "node:net"
import t from "tap"
import { LIMITS } from "../limits.ts"
import { createDeferred } from "../testing/deferred.ts"
import { createScriptedEngine, doneEvent, type Script, textEvent } from "../testing/scripted-engine.ts"
import { contentOf, openSocket, type SocketMessage } from "../testing/socket-client.ts"
import { CHAT, SERVERS, startServer, type TestServer } from "../testing/start-server.ts"

const resumable = { ...CHAT, stream: true, resumable: true, stream_options: { include_usage: true } }

const WORDS = Array.from({ length: 40 }, (_, index) => `${index} `)
const WHOLE = WORDS.join("")

/** Says the words, one a turn of the loop. */
const slowly: Script = async function* () {
  for (const word of WORDS) {
    await new Promise(setImmediate)
    yield [textEvent(0, word)]
  }
  yield [{ type: "finished", choice: 0, reason: "stop" }, doneEvent(WORDS.length)]
}

interface Received {
  /** Numbers, as they came. */
  readonly numbers: number[]
  readonly data: string[]
  stream: string
}

/** Reads whole events into `got`; true at the end, false once `cutAt` events have come in all. */
async function read(response: Response, got: Received, cutAt: number): Promise<boolean> {
  got.stream = response.headers.get("x-stream-id") ?? got.stream
  const decoder = new TextDecoder()
  let text = ""
  for await (const bytes of response.body ?? []) {
    text += decoder.decode(bytes, { stream: true })
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const match = /^id: (\d+)\ndata: (.*)$/.exec(text.slice(0, end))
      text = text.slice(end + 2)
      if (match === null) continue
      got.numbers.push(Number(match[1]))
      got.data.push(match[2] ?? "")
      if (match[2] === "[DONE]") return true
      if (got.numbers.length >= cutAt) return false // leaving the loop cuts the connection
    }
  }
  return false
}

const resume = (server: TestServer, id: string, after: number, headers: Record<string, string> = {}) =>
  fetch(`${server.url}/v1/streams/${id}`, { headers: { "last-event-id": String(after), ...headers } })

const text = (data: readonly string[]): string =>
  data
    .filter((json) => json !== "[DONE]")
    .map((json) => JSON.parse(json).choices[0]?.delta.content ?? "")
    .join("")

for (const name of SERVERS) {
  t.test(`${name}: a stream that is cut at any points goes on without a lost or repeated event`, async (t) => {
    const server = await startServer(t, name, {}, createScriptedEngine(slowly))
    for (let round = 0; round < 50; round++) {
      const got: Received = { numbers: [], data: [], stream: "" }
      const cut = () => got.numbers.length + 1 + Math.floor(Math.random() * 20)
      let done = await read(await server.post("/v1/chat/completions", resumable), got, cut())
      while (!done) done = await read(await resume(server, got.stream, got.numbers.at(-1) ?? 0), got, cut())
      t.same(
        got.numbers,
        got.numbers.map((_, index) => index + 1),
      )
      t.equal(text(got.data), WHOLE)
      t.match(JSON.parse(got.data.at(-2) ?? ""), { choices: [], usage: { completion_tokens: WORDS.length } })
      t.equal(new Set(got.data.slice(0, -1).map((json) => JSON.parse(json).id)).size, 1)
    }
    t.same(server.engine.cancelled, [])
  })

  t.test(`${name}: a WebSocket resumes what HTTP began, and the other way round`, async (t) => {
    const server = await startServer(t, name, {}, createScriptedEngine(slowly))
    const got: Received = { numbers: [], data: [], stream: "" }
    await read(await server.post("/v1/chat/completions", resumable), got, 5)
    const socket = await openSocket(t, server.url)
    socket.send({ type: "resume", id: "r", stream: got.stream, after: 5 })
    const rest = await socket.until("done", "r")
    t.equal(text(got.data) + contentOf(rest, "r"), WHOLE)
    t.same(
      rest.slice(1).map((message) => message.event),
      rest.slice(1).map((_, index) => index + 6),
    )

    const { stream: _, ...body } = resumable
    socket.send({ type: "request", id: "w", path: "/v1/chat/completions", body })
    const seen: SocketMessage[] = []
    while (seen.at(-1)?.event !== 4) seen.push(await socket.next())
    const stream = seen.find((message) => message.type === "started")?.stream ?? ""
    socket.ws.terminate()
    await socket.closed
    const more: Received = { numbers: [], data: [], stream: "" }
    t.ok(await read(await resume(server, stream, 4), more, 1000))
    t.equal(more.numbers[0], 5)
    t.equal(contentOf(seen, "w") + text(more.data), WHOLE)
    t.same(server.engine.cancelled, [])
  })

  t.test(`${name}: on a WebSocket a stream can be taken over, cancelled, and asked for in vain`, async (t) => {
    const engine = createScriptedEngine(async function* () {
      yield [textEvent(0, "a")]
      await new Promise(() => {})
    })
    const server = await startServer(t, name, {}, engine)
    const { stream: _, ...body } = resumable
    const [one, two] = [await openSocket(t, server.url), await openSocket(t, server.url)]
    one.send({ type: "request", id: "x", path: "/v1/chat/completions", body })
    const [started] = await one.until("chunk", "x")
    two.send({ type: "resume", id: "y", stream: started?.stream })
    await one.until("released", "x")
    t.match((await two.until("chunk", "y")).at(-1), { event: 1 })
    two.send({ type: "cancel", id: "y" })
    await two.until("cancelled", "y")
    t.same(engine.cancelled, [started?.stream])
    two.send({ type: "resume", id: "y", stream: started?.stream })
    t.match((await two.until("error", "y")).at(-1), { status: 404, error: { code: "stream_not_found" } })
    two.send({ type: "resume", id: "y" })
    t.match((await two.until("error", null)).at(-1), { status: 400, error: { param: "stream" } })
  })

  t.test(`${name}: a stream is another key's secret, and DELETE ends it`, async (t) => {
    const keys = ["one", "two"]
    const server = await startServer(t, name, { keys }, createScriptedEngine(slowly))
    const [mine, theirs] = keys.map((key) => ({ authorization: `Bearer ${key}` }))
    const got: Received = { numbers: [], data: [], stream: "" }
    await read(await server.post("/v1/chat/completions", resumable, { headers: { ...mine } }), got, 2)
    const other = await resume(server, got.stream, 2, theirs)
    const unknown = await resume(server, "chatcmpl-0", 2, theirs)
    t.equal(other.status, 404)
    t.same(await other.json(), await unknown.json(), "it does not even say that the stream is there")
    const method = "DELETE"
    const path = `${server.url}/v1/streams/${got.stream}`
    t.equal((await fetch(path, { method, headers: { ...theirs } })).status, 404)
    t.equal((await fetch(path, { method, headers: { ...mine } })).status, 204)
    t.equal((await resume(server, got.stream, 2, mine)).status, 404)
  })

  t.test(`${name}: when its window is over the request is cancelled and nothing is left`, async (t) => {
    const engine = createScriptedEngine(async function* () {
      yield [textEvent(0, "a")]
      await new Promise(() => {})
    })
    const server = await startServer(t, name, { resumeWindowMs: 20 }, engine)
    const got: Received = { numbers: [], data: [], stream: "" }
    const cancelled = engine.nextCancel()
    await read(await server.post("/v1/chat/completions", resumable), got, 1)
    t.equal(await cancelled, got.stream)
    const late = await resume(server, got.stream, 1)
    t.equal(late.status, 404)
    t.match(await late.json(), { error: { code: "stream_not_found", message: /Send the request again/ } })
    t.match(await (await fetch(`${server.url}/queue`)).json(), { active: 0 })
    t.match(await (await fetch(`${server.url}/metrics`)).text(), /^mlx_cluster_resumable_streams 0$/m)
  })

  t.test(`${name}: more than the cap while nobody reads cancels the request, and its id says so`, async (t) => {
    const go = createDeferred()
    const engine = createScriptedEngine(async function* () {
      yield [textEvent(0, "a")]
      await go.promise
      for (;;) {
        yield [textEvent(0, "x".repeat(1000))]
        await new Promise(setImmediate)
      }
    })
    const server = await startServer(t, name, { resumeBytes: 20_000 }, engine)
    const got: Received = { numbers: [], data: [], stream: "" }
    const cancelled = engine.nextCancel()
    await read(await server.post("/v1/chat/completions", resumable), got, 1)
    go.resolve()
    t.equal(await cancelled, got.stream)
    const late = await resume(server, got.stream, 1)
    t.equal(late.status, 410)
    t.match(await late.json(), { error: { code: "stream_lost", message: /Send the request again/ } })
  })

  t.test(`${name}: a reader that was cut because it is too slow resumes the whole answer`, async (t) => {
    const piece = "0123456789abcdef".repeat(512)
    const pieces = 2_000
    const engine = createScriptedEngine(async function* () {
      for (let index = 0; index < pieces; index++) {
        yield [textEvent(0, piece)]
        if (index % 16 === 0) await new Promise(setImmediate)
      }
      yield [{ type: "finished", choice: 0, reason: "stop" }, doneEvent(pieces)]
    })
    const options = { pendingLimit: 128 * 1024, resumeBytes: 32 * 1024 * 1024 }
    const server = await startServer(t, name, options, engine)
    const json = JSON.stringify(resumable)
    const socket = connect(server.port, "127.0.0.1").on("error", () => {})
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${json.length}\r\n\r\n${json}`,
    )
    await once(socket, "readable") // and nothing is read
    const metrics = async () => (await fetch(`${server.url}/metrics`)).text()
    while (!/slow_readers_total 1$/m.test(await metrics())) await new Promise(setImmediate)
    const id = engine.submitted[0]?.id ?? ""
    const got: Received = { numbers: [], data: [], stream: "" }
    // The engine is faster than any reader: it may be cut again, and comes further each time.
    const on = async () => read(await resume(server, id, got.numbers.at(-1) ?? 0), got, Number.POSITIVE_INFINITY)
    while (!(await on().catch(() => false)));
    t.equal(text(got.data), piece.repeat(pieces))
    t.same(engine.cancelled, [])
    socket.destroy()
  })

  t.test(`${name}: a second reader takes over, and an ended stream is there for its window`, async (t) => {
    const go = createDeferred()
    const engine = createScriptedEngine(async function* () {
      yield [textEvent(0, "a")]
      await go.promise
      yield [textEvent(0, "b"), { type: "finished", choice: 0, reason: "stop" }, doneEvent(2)]
    })
    const server = await startServer(t, name, {}, engine)
    const first = await server.post("/v1/chat/completions", resumable)
    const id = first.headers.get("x-stream-id") ?? ""
    t.equal((await fetch(`${server.url}/v1/streams/${id}`, { method: "HEAD" })).status, 200)
    const second = await resume(server, id, 0)
    t.match(await first.text(), /another connection reads on\n\n$/)
    go.resolve()
    const whole = await second.text()
    t.match(whole, /"a"[^]*"b"[^]*\[DONE\]/)
    t.equal(await (await resume(server, id, 0)).text(), whole)
    const last = whole.match(/id: \d+/g)?.length ?? 0
    t.equal((await resume(server, id, last)).status, 204)
    t.equal((await resume(server, id, last + 1)).status, 400)
    t.equal((await resume(server, id, Number.NaN)).status, 400)
    t.same(engine.cancelled, [])
  })

  t.test(`${name}: a failure before the first event is an HTTP error, a later one an event that is kept`, async (t) => {
    const server = await startServer(t, name)
    server.engine.setState("loading")
    t.equal((await server.post("/v1/chat/completions", resumable)).status, 503)
    server.engine.setState("ready")
    t.equal((await server.post("/v1/chat/completions", { ...resumable, stream: false })).status, 400)
    server.engine.script = async function* () {
      yield [textEvent(0, "a")]
      throw new Error("broken")
    }
    const response = await server.post("/v1/chat/completions", resumable)
    const id = response.headers.get("x-stream-id") ?? ""
    t.match(await response.text(), /id: 2\ndata: \{"error":/)
    t.match(await (await resume(server, id, 1)).text(), /^id: 2\ndata: \{"error":/)
  })
}

t.test("only a stream that was asked to be resumable has ids and survives its connection", async (t) => {
  const engine = createScriptedEngine(async function* () {
    yield [textEvent(0, "a")]
    await new Promise(() => {})
  })
  const server = await startServer(t, "uws", {}, engine)
  const cancelled = engine.nextCancel()
  const response = await server.post("/v1/chat/completions", { ...CHAT, stream: true })
  t.equal(response.headers.get("x-stream-id"), null)
  for await (const bytes of response.body ?? []) {
    t.notMatch(Buffer.from(bytes).toString(), /^id:/m)
    break
  }
  const id = await cancelled
  t.equal((await resume(server, id, 0)).status, 404)
  t.ok(LIMITS.resumeBytes * 2 <= LIMITS.resumeTotalBytes)
})
