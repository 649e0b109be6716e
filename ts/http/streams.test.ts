import { once } from "node:events"
import { connect } from "node:net"
import t from "tap"
import type { GenerationEvent } from "../engine/index.ts"
import { createDeferred } from "./testing/deferred.ts"
import { createScriptedEngine, doneEvent, textEvent, type Script } from "./testing/scripted-engine.ts"
import { CHAT, SERVERS, type TestServer, sseData, startServer } from "./testing/start-server.ts"

const PIECE = "0123456789abcdef".repeat(512)

/** Says `pieces` times 8 KiB, as fast as it can. */
const flood = (pieces: number): Script =>
  async function* () {
    for (let index = 0; index < pieces; index++) {
      yield [textEvent(0, PIECE)]
      if (index % 16 === 0) await new Promise(setImmediate)
    }
    yield [{ type: "finished", choice: 0, reason: "stop" }, doneEvent(pieces)]
  }

/** A request written by hand on a socket of its own, whose reading the test controls. */
function openRaw(server: TestServer, body: object) {
  const json = JSON.stringify(body)
  const socket = connect({ port: server.port, host: "127.0.0.1" })
  socket.on("error", () => {})
  socket.write(
    `POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${json.length}\r\n\r\n${json}`,
  )
  return socket
}

const stream = { ...CHAT, stream: true }

for (const name of SERVERS) {
  t.test(`${name}: a paused reader gets every byte, in order, once it reads again`, async (t) => {
    const pieces = 1024
    const server = await startServer(t, name, { pendingLimit: 64 * 1024 * 1024 }, createScriptedEngine(flood(pieces)))
    const socket = openRaw(server, stream)
    await once(socket, "readable")
    // The engine has said all of it while the reader took nothing.
    while ((await (await fetch(`${server.url}/requests`)).text()).startsWith('{"requests":[]'))
      await new Promise(setImmediate)
    let text = ""
    for await (const chunk of socket) {
      text += String(chunk)
      if (text.includes("[DONE]")) break
    }
    const events = text.match(/"content":"([0-9a-f]+)"/g) ?? []
    t.equal(events.length, pieces)
    t.ok(events.every((event) => event === `"content":"${PIECE}"`))
  })

  t.test(`${name}: a reader that is too slow is cut and its request cancelled; others do not notice`, async (t) => {
    const engine = createScriptedEngine(flood(100_000))
    const server = await startServer(t, name, { pendingLimit: 128 * 1024 }, engine)
    const cancelled = engine.nextCancel()
    const socket = openRaw(server, stream)
    await once(socket, "readable")
    await cancelled
    engine.script = createScriptedEngine().script
    const other = await server.post("/v1/chat/completions", stream)
    t.equal(sseData(await other.text()).at(-1), "[DONE]")
    const metrics = await (await fetch(`${server.url}/metrics`)).text()
    t.match(metrics, /mlx_cluster_slow_readers_total 1/)
    t.match(metrics, /requests_finished_total\{reason="cancelled"\} 1/)
    t.match(metrics, /mlx_cluster_requests_active 0/)
    socket.destroy()
  })

  t.test(
    `${name}: a client that goes away cancels its request, streamed or whole, even while nothing is said`,
    async (t) => {
      const engine = createScriptedEngine(async function* (): AsyncGenerator<GenerationEvent[]> {
        yield [{ type: "queued", promptTokens: 5 }]
        await new Promise(() => {})
      })
      const server = await startServer(t, name, {}, engine)
      for (const body of [stream, CHAT]) {
        const controller = new AbortController()
        const submitted = engine.nextSubmit()
        const cancelled = engine.nextCancel()
        const answer = server.post("/v1/chat/completions", body, { signal: controller.signal })
        const { id } = await submitted
        controller.abort()
        await t.rejects(answer)
        t.equal(await cancelled, id)
      }
      t.match(await (await fetch(`${server.url}/queue`)).json(), { active: 0 })
      t.match(await (await fetch(`${server.url}/requests`)).json(), {
        requests: [{ status: "cancelled" }, { status: "cancelled" }],
      })
    },
  )

  t.test(`${name}: a silent stream gets comments, and its text after them`, async (t) => {
    const go = createDeferred()
    const engine = createScriptedEngine(async function* () {
      await go.promise
      yield [textEvent(0, "late"), { type: "finished", choice: 0, reason: "stop" }, doneEvent(1)]
    })
    const server = await startServer(t, name, { keepAliveMs: 5 }, engine)
    const response = await server.post("/v1/chat/completions", stream)
    let text = ""
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk).toString()
      if (text.split(": keep-alive\n\n").length > 2) go.resolve()
    }
    t.ok(text.startsWith(": keep-alive\n\n"))
    t.match(text, /"role":"assistant","content":"late"/)
    t.ok(text.endsWith("data: [DONE]\n\n"))
  })

  t.test(`${name}: an engine that says nothing more ends in an error, not in a hanging client`, async (t) => {
    const engine = createScriptedEngine(async function* () {
      yield [textEvent(0, "a")]
      await new Promise(() => {})
    })
    const server = await startServer(t, name, { requestTimeoutMs: 20 }, engine)
    const data = sseData(await (await server.post("/v1/chat/completions", stream)).text())
    t.match(JSON.parse(data.at(-1) ?? ""), { error: { code: "stalled" } })
    t.equal((await server.post("/v1/chat/completions", CHAT)).status, 504)
    t.equal(engine.cancelled.length, 2)
  })

  t.test(`${name}: many streams at once are neither lost nor mixed up`, async (t) => {
    const engine = createScriptedEngine(async function* (request) {
      const own = request.prompt.kind === "chat" ? (request.prompt.messages[0]?.content ?? "") : ""
      for (let index = 0; index < 20; index++) {
        yield [textEvent(0, `${own}.`)]
        await new Promise(setImmediate)
      }
      yield [{ type: "finished", choice: 0, reason: "stop" }, doneEvent(20)]
    })
    engine.capacity = 200
    const server = await startServer(t, name, {}, engine)
    const texts = await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        const messages = [{ role: "user", content: `s${index}` }]
        const response = await server.post("/v1/chat/completions", { messages, stream: true })
        const data = sseData(await response.text()).slice(0, -1)
        return data.map((json) => JSON.parse(json).choices[0].delta.content ?? "").join("")
      }),
    )
    t.same(
      texts,
      texts.map((_, index) => `s${index}.`.repeat(20)),
    )
  })
}
