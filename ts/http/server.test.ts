import { once } from "node:events"
import { connect } from "node:net"
import t from "tap"
import { chooseServer } from "./choose-server.ts"
import { createConnectionCount } from "./connection-count.ts"
import { createServer } from "./server.ts"
import { createDeferred } from "./testing/deferred.ts"
import { createScriptedEngine, doneEvent, textEvent } from "./testing/scripted-engine.ts"
import { CHAT, SCRIPTED_CLUSTER, SERVERS, sseData, startServer } from "./testing/start-server.ts"

/** An answer whose second half waits for the test. */
function heldAnswer() {
  const go = createDeferred()
  const engine = createScriptedEngine(async function* () {
    yield [textEvent(0, "first")]
    await go.promise
    yield [textEvent(0, " last"), { type: "finished", choice: 0, reason: "stop" }, doneEvent(2)]
  })
  return { go, engine }
}
const stream = { ...CHAT, stream: true }

for (const name of SERVERS) {
  t.test(`${name}: a drain lets streams finish, answers 503 to new work, and closes the listen socket`, async (t) => {
    const { go, engine } = heldAnswer()
    const { server, post, url, port } = await startServer(t, name, {}, engine)
    const running = await post("/v1/chat/completions", stream)
    // Kept alive from before: it must hear 503, not a broken socket.
    await (await fetch(`${url}/health`)).text()
    let drained = false
    const drain = server.drain(60_000).then(() => (drained = true))
    const late = await post("/v1/chat/completions", CHAT).catch(() => null)
    if (late !== null) {
      t.equal(late.status, 503)
      t.equal(late.headers.get("retry-after"), "5")
      t.equal(late.headers.get("connection"), "close")
    }
    t.equal(drained, false)
    go.resolve()
    t.equal(sseData(await running.text()).at(-1), "[DONE]")
    await drain
    const [error] = await once(connect(port, "127.0.0.1"), "error").catch((refused: unknown) => [refused])
    t.match(error, { code: "ECONNREFUSED" })
  })

  t.test(`${name}: at the end of a drain what still runs gets an error event and is cancelled`, async (t) => {
    const { engine } = heldAnswer()
    const { server, post } = await startServer(t, name, {}, engine)
    const running = await post("/v1/chat/completions", stream)
    await server.drain(1)
    const data = sseData(await running.text())
    t.match(JSON.parse(data.at(-1) ?? ""), { error: { code: "draining" } })
    t.equal(engine.cancelled.length, 1)
    await server.close()
    await server.close()
  })

  t.test(`${name}: /ready and new requests follow the engine's state`, async (t) => {
    const { post, url, engine } = await startServer(t, name)
    t.equal((await fetch(`${url}/ready`)).status, 200)
    engine.setState("loading", "loading weights, 40 %")
    const ready = await fetch(`${url}/ready`)
    t.equal(ready.status, 503)
    t.match(await ready.json(), { ready: false, detail: "loading weights, 40 %" })
    const refused = await post("/v1/chat/completions", CHAT)
    t.equal(refused.status, 503)
    t.equal(refused.headers.get("retry-after"), "2")
    t.match(await refused.json(), { error: { code: "engine_unavailable", type: "server_error" } })
    t.match(await (await fetch(`${url}/errors`)).json(), { errors: [] }, "a refusal is no error of the server")
    t.equal((await fetch(`${url}/health`)).status, 200)
    engine.setState("ready")
    t.equal((await post("/v1/chat/completions", CHAT)).status, 200)
  })

  t.test(`${name}: a full server says 503, a full client 429`, async (t) => {
    const { go, engine } = heldAnswer()
    engine.capacity = 1
    const full = await startServer(t, name, {}, engine)
    const running = await full.post("/v1/chat/completions", stream)
    t.equal((await full.post("/v1/chat/completions", CHAT)).status, 503)
    const own = heldAnswer()
    const bounded = await startServer(t, name, { maxPerClient: 1 }, own.engine)
    const held = await bounded.post("/v1/chat/completions", stream)
    const refused = await bounded.post("/v1/chat/completions", CHAT)
    t.equal(refused.status, 429)
    t.match(await refused.json(), { error: { type: "rate_limit_error", code: "too_many_requests" } })
    go.resolve()
    own.go.resolve()
    t.equal(sseData(await running.text()).at(-1), "[DONE]")
    await held.text()
    t.equal((await bounded.post("/v1/chat/completions", CHAT)).status, 200)
  })

  t.test(`${name}: a taken port is refused in one sentence`, async (t) => {
    const { port } = await startServer(t, name)
    const second = createServer({
      engine: createScriptedEngine(),
      cluster: () => SCRIPTED_CLUSTER,
      options: { host: "127.0.0.1", port, server: name },
    })
    await t.rejects(second.listen(), { message: new RegExp(`port ${port} .*choose another port`) })
  })
}

t.test("a bind that others can reach is refused before anything listens", (t) => {
  const parts = { engine: createScriptedEngine(), cluster: () => SCRIPTED_CLUSTER }
  t.throws(() => createServer({ ...parts, options: { host: "0.0.0.0" } }), /without an API key/)
  t.doesNotThrow(() => createServer({ ...parts, options: { host: "0.0.0.0", keys: ["k"] } }))
  t.doesNotThrow(() => createServer({ ...parts, options: { host: "0.0.0.0", insecure: true } }))
  t.end()
})

t.test("where the uWS binary does not load, node:http serves, and one line says why", async (t) => {
  const lines: string[] = []
  const broken = () => Promise.reject(new Error("GLIBC_2.38 not found\nat dlopen"))
  const settings = { bodyLimit: 1, connections: createConnectionCount(8), pendingLimit: 1, socketPaths: [] }
  const port = await chooseServer(
    "auto",
    () => {},
    settings,
    (line) => lines.push(line),
    broken,
  )
  t.equal(port.kind, "node")
  t.equal(lines.length, 1)
  t.match(lines[0], /GLIBC_2\.38 not found; Node \d+\.\d+\.\d+ ABI \d+, .*\); serving with node:http$/)
  await port.close()
  await t.rejects(
    chooseServer(
      "uws",
      () => {},
      settings,
      () => {},
      broken,
    ),
    /another Node version/,
  )
})
