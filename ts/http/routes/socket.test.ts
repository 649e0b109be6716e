import { once } from "node:events"
import { connect } from "node:net"
import t from "tap"
import { LIMITS } from "../limits.ts"
import { createScriptedEngine, doneEvent, textEvent } from "../testing/scripted-engine.ts"
import { contentOf, openSocket } from "../testing/socket-client.ts"
import { CHAT, SERVERS, sseData, startServer } from "../testing/start-server.ts"

const chat = (id: string, body: object = {}) => ({
  type: "request",
  id,
  path: "/v1/chat/completions",
  body: { ...CHAT, ...body },
})

/** An engine that says "a" once and then nothing. */
const silent = () =>
  createScriptedEngine(async function* () {
    yield [textEvent(0, "a")]
    await new Promise(() => {})
  })

for (const name of SERVERS) {
  t.test(`${name}: a request's messages carry what the events of the HTTP route carry`, async (t) => {
    const server = await startServer(t, name)
    const socket = await openSocket(t, server.url)
    socket.send(chat("one", { stream_options: { include_usage: true } }))
    const messages = await socket.until("done", "one")
    t.match(messages[0], { type: "started", id: "one", stream: /^chatcmpl-/ })
    t.equal(contentOf(messages, "one"), "Paris is the capital of France.")
    const http = await server.post("/v1/chat/completions", {
      ...CHAT,
      stream: true,
      stream_options: { include_usage: true },
    })
    const events = sseData(await http.text()).slice(0, -1)
    const plain = (chunks: readonly object[]) => chunks.map((chunk) => ({ ...chunk, id: "", created: 0 }))
    t.same(
      plain(messages.flatMap((message) => (message.data === undefined ? [] : [message.data]))),
      plain(events.map((json): object => JSON.parse(json))),
    )

    socket.send({ type: "request", id: "two", path: "/v1/completions", body: { prompt: "x", stream: false } })
    const [, whole, end] = await socket.until("done", "two")
    t.match(whole, { type: "chunk", data: { object: "text_completion", choices: [{ finish_reason: "stop" }] } })
    t.same(end, { type: "done", id: "two" })
  })

  t.test(`${name}: many requests share a socket and are neither lost nor mixed up`, async (t) => {
    const engine = createScriptedEngine(async function* (request) {
      const own = request.prompt.kind === "chat" ? (request.prompt.messages[0]?.content ?? "") : ""
      for (let index = 0; index < 20; index++) {
        yield [textEvent(0, `${own}.`)]
        await new Promise(setImmediate)
      }
      yield [{ type: "finished", choice: 0, reason: "stop" }, doneEvent(20)]
    })
    engine.capacity = 100
    const server = await startServer(t, name, {}, engine)
    const socket = await openSocket(t, server.url)
    const ids = Array.from({ length: 50 }, (_, index) => `s${index}`)
    for (const id of ids) socket.send(chat(id, { messages: [{ role: "user", content: id }] }))
    const messages = []
    for (let ended = 0; ended < ids.length; ) {
      const message = await socket.next()
      messages.push(message)
      if (message.type === "done") ended++
    }
    for (const id of ids) t.equal(contentOf(messages, id), `${id}.`.repeat(20))
    t.match(await (await fetch(`${server.url}/queue`)).json(), { active: 0 })
  })

  t.test(`${name}: a request can be cancelled, and all that run end with their socket`, async (t) => {
    const server = await startServer(t, name, {}, silent())
    const socket = await openSocket(t, server.url)
    for (const id of ["a", "b", "c"]) {
      const submitted = server.engine.nextSubmit()
      socket.send(chat(id))
      await submitted
    }
    socket.send({ type: "cancel", id: "b" })
    await socket.until("cancelled", "b")
    t.equal(server.engine.cancelled.length, 1)
    socket.send({ type: "cancel", id: "unknown" })
    const gone = server.engine.nextCancel()
    socket.ws.terminate()
    await gone
    while (server.engine.cancelled.length < 3) await new Promise(setImmediate)
    t.same([...server.engine.cancelled].sort(), server.engine.submitted.map(({ id }) => id).sort())
    t.match(await (await fetch(`${server.url}/queue`)).json(), { active: 0 })
  })

  t.test(`${name}: a message that cannot be served gets an error and harms no other request`, async (t) => {
    const server = await startServer(t, name, {}, silent())
    const socket = await openSocket(t, server.url)
    socket.send(chat("kept"))
    await socket.until("chunk", "kept")
    const cases: readonly [unknown, string | null, string, string | null, number][] = [
      ["{", null, "invalid_json", null, 400],
      [[], null, "invalid_value", "type", 400],
      [{ type: "shout" }, null, "invalid_value", "type", 400],
      [{ type: "request", path: "/v1/chat/completions", body: {} }, null, "missing_required_parameter", "id", 400],
      [{ type: "cancel", id: "x".repeat(LIMITS.socketIdChars + 1) }, null, "invalid_value", "id", 400],
      [chat("kept"), null, "invalid_value", "id", 400],
      [{ ...chat("a"), path: "/v1/models" }, "a", "invalid_value", "path", 400],
      [chat("a", { messages: [] }), "a", "invalid_value", "messages", 400],
      [chat("a", { model: "other" }), "a", "model_not_found", "model", 404],
    ]
    for (const [message, id, code, param, status] of cases) {
      socket.send(message)
      t.match(await socket.next(), { type: "error", id, status, error: { code, param } }, JSON.stringify(message))
    }
    t.equal(server.engine.submitted.length, 1)
    for (let index = 1; index < LIMITS.socketRequests; index++) socket.send(chat(`n${index}`, { max_tokens: 1 }))
    server.engine.capacity = 1000
    socket.send(chat("over"))
    const last = (await socket.until("error", "over")).at(-1)
    t.match(last, { status: 429, error: { code: "too_many_requests" } })
    socket.ws.send(Buffer.from([1, 2]))
    t.equal(await socket.closed, 1003)
    while (server.engine.cancelled.length < server.engine.submitted.length) await new Promise(setImmediate)
    t.match(await (await fetch(`${server.url}/queue`)).json(), { active: 0 })
  })

  t.test(`${name}: the handshake shows Host, Origin and key; elsewhere and without one HTTP answers`, async (t) => {
    const { url, port } = await startServer(t, name, { keys: ["secret"] })
    const key = { authorization: "Bearer secret" }
    await t.rejects(openSocket(t, url), { message: "status 401" })
    await t.rejects(openSocket(t, url, { ...key, origin: "https://evil.example" }), { message: "status 403" })
    await t.rejects(openSocket(t, url, { ...key, host: "evil.example" }), { message: "status 403" })
    const socket = await openSocket(t, url, key)
    socket.send(chat("a"))
    await socket.until("done", "a")
    const plain = await fetch(`${url}/v1/stream`, { headers: key })
    t.equal(plain.status, 426)
    t.match(await plain.json(), { error: { code: "upgrade_required" } })

    const raw = connect(port, "127.0.0.1")
    raw.write("GET /health HTTP/1.1\r\nHost: localhost\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n")
    const [answer] = await once(raw, "data")
    t.match(String(answer), /^HTTP\/1\.1 200 /, "an offer of another protocol is an ordinary request")
    raw.destroy()
  })

  t.test(`${name}: a reader that is too slow is cut, and its requests are cancelled`, async (t) => {
    const piece = "0123456789abcdef".repeat(512)
    const engine = createScriptedEngine(async function* () {
      for (let index = 0; index < 100_000; index++) {
        yield [textEvent(0, piece)]
        if (index % 16 === 0) await new Promise(setImmediate)
      }
    })
    const server = await startServer(t, name, { pendingLimit: 128 * 1024 }, engine)
    const socket = await openSocket(t, server.url)
    const cancelled = engine.nextCancel()
    socket.send(chat("flood"))
    await socket.next()
    socket.ws.pause()
    await cancelled
    t.match(await (await fetch(`${server.url}/metrics`)).text(), /mlx_cluster_slow_readers_total 1/)
    t.match(await (await fetch(`${server.url}/queue`)).json(), { active: 0 })
  })

  t.test(`${name}: a drain closes idle sockets at once and others after their last request`, async (t) => {
    let go: () => void = () => {}
    const engine = createScriptedEngine(async function* () {
      yield [textEvent(0, "a")]
      await new Promise<void>((resolve) => {
        go = resolve
      })
      yield [{ type: "finished", choice: 0, reason: "stop" }, doneEvent(1)]
    })
    const server = await startServer(t, name, {}, engine)
    const busy = await openSocket(t, server.url)
    const idle = await openSocket(t, server.url)
    busy.send(chat("a"))
    await busy.until("chunk", "a")
    const drained = server.server.drain(60_000)
    t.equal(await idle.closed, 1001)
    busy.send(chat("late"))
    t.match((await busy.until("error", "late")).at(-1), { status: 503, error: { code: "draining" } })
    go()
    await busy.until("done", "a")
    t.equal(await busy.closed, 1001)
    await drained
  })

  t.test(`${name}: only so many sockets are open at the same time`, async (t) => {
    const { url } = await startServer(t, name)
    const sockets = await Promise.all(Array.from({ length: LIMITS.sockets }, () => openSocket(t, url)))
    await t.rejects(openSocket(t, url), { message: "status 503" })
    const [one] = sockets
    one?.ws.close()
    await one?.closed
    while (!/websockets_open 255$/m.test(await (await fetch(`${url}/metrics`)).text())) await new Promise(setImmediate)
    const next = await openSocket(t, url)
    next.send(chat("a"))
    await next.until("done", "a")
  })

  t.test(`${name}: a message over the cap closes its socket and no other`, async (t) => {
    const server = await startServer(t, name, { bodyLimit: 1024 })
    const one = await openSocket(t, server.url)
    const other = await openSocket(t, server.url)
    one.send(chat("a", { user: "x".repeat(10_000) }))
    await one.closed
    other.send(chat("b"))
    t.equal(contentOf(await other.until("done", "b"), "b"), "Paris is the capital of France.")
  })

  t.test(`${name}: broken frames and broken handshakes harm nobody`, async (t) => {
    const { url, port } = await startServer(t, name)
    const head = "GET /v1/stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    const frames: readonly (readonly number[])[] = [
      // Not masked. uWS takes the text for the mask, and what follows for the text: it waits for more.
      ...(name === "uws" ? [] : [[0x81, 0x02, 0x7b, 0x7d]]),
      [0xf1, 0x80, 0, 0, 0, 0], // reserved bits
      [0x83, 0x80, 0, 0, 0, 0], // an opcode that there is not
      [0x80, 0x80, 0, 0, 0, 0], // goes on with nothing
      [0x89, 0xfe, 0x01, 0x00, 0, 0, 0, 0], // a ping too long
      [0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0], // longer than memory
      [0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe], // no UTF-8
    ]
    for (const frame of frames) {
      const socket = connect(port, "127.0.0.1").on("error", () => {})
      socket.write(head + key)
      const [answer] = await once(socket, "data")
      t.match(String(answer), /^HTTP\/1\.1 101 /)
      socket.write(Buffer.from(frame))
      socket.resume()
      await once(socket, "close")
    }
    const half = connect(port, "127.0.0.1").on("error", () => {})
    half.write(`${head}\r\n`)
    const [refused] = await once(half, "data")
    t.match(String(refused), /^HTTP\/1\.1 4/)
    half.destroy()
    const socket = await openSocket(t, url)
    socket.send(`{"type":"request","id":"deep","path":${"[".repeat(LIMITS.jsonDepth + 1)}`)
    t.match(await socket.next(), { type: "error", id: null, error: { code: "json_too_deep" } })
    socket.send({ type: "request", id: "x", path: "__proto__", body: {} })
    t.match(await socket.next(), { type: "error", id: "x", error: { param: "path" } })
    socket.send(chat("a"))
    t.equal(contentOf(await socket.until("done", "a"), "a"), "Paris is the capital of France.")
  })
}
