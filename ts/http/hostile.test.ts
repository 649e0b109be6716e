import { once } from "node:events"
import { connect } from "node:net"
import t from "tap"
import { LIMITS } from "./limits.ts"
import { CHAT, SERVERS, startServer } from "./testing/start-server.ts"

/** Sends bytes as they are and gives all that comes back until the server closes. */
async function raw(port: number, bytes: string, wait: "close" | "data" = "close"): Promise<string> {
  const socket = connect(port, "127.0.0.1")
  let text = ""
  socket.on("data", (chunk) => (text += String(chunk)))
  socket.on("error", () => {})
  socket.write(bytes)
  await once(socket, wait)
  socket.destroy()
  return text
}

for (const name of SERVERS) {
  t.test(`${name}: bad bodies get 400 with an error object and reach no engine`, async (t) => {
    const { post, engine } = await startServer(t, name)
    const cases: readonly [string | object, string, string | null][] = [
      ["", "invalid_json", null],
      ["{", "invalid_json", null],
      ["[]", "invalid_type", null],
      ["null", "invalid_type", null],
      ['"text"', "invalid_type", null],
      [`{"a":${"[".repeat(LIMITS.jsonDepth + 1)}`, "json_too_deep", null],
      ["\u0000\u0001\u0002", "invalid_json", null],
      [{ messages: "hi" }, "invalid_type", "messages"],
      [{ messages: [{ role: "user" }] }, "missing_required_parameter", "messages.0.content"],
      [{ messages: [{ role: "tool", content: "x" }] }, "missing_required_parameter", "messages.0.tool_call_id"],
      [{ ...CHAT, temperature: -1 }, "invalid_value", "temperature"],
      [{ ...CHAT, max_tokens: 0 }, "invalid_value", "max_tokens"],
      [{ ...CHAT, n: 1e9 }, "invalid_value", "n"],
      [{ ...CHAT, seed: 1e300 }, "invalid_value", "seed"],
      [{ ...CHAT, stop: Array.from({ length: 99 }, () => "a") }, "invalid_value", "stop"],
      [{ ...CHAT, top_logprobs: 3 }, "invalid_value", "top_logprobs"],
      [{ ...CHAT, stream: "yes" }, "invalid_type", "stream"],
    ]
    for (const [body, code, param] of cases) {
      const response = await post("/v1/chat/completions", body)
      t.equal(response.status, 400, JSON.stringify(body).slice(0, 50))
      t.match(response.headers.get("content-type"), /^application\/json/)
      t.match(await response.json(), { error: { type: "invalid_request_error", code, param } })
    }
    t.same(engine.submitted, [])
  })

  t.test(`${name}: a body over the cap gets 413, declared or chunked, and is not gathered`, async (t) => {
    const { post, port, url } = await startServer(t, name, { bodyLimit: 1024 })
    const declared = await post("/v1/chat/completions", "x".repeat(100_000_000))
    t.equal(declared.status, 413)
    t.match(await declared.json(), { error: { code: "body_too_large" } })
    const head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    const chunked = await raw(port, `${head}800\r\n${"x".repeat(0x800)}\r\n`, "data")
    t.match(chunked, /^HTTP\/1\.1 413 /)
    const lying = await raw(port, head.replace("Transfer-Encoding: chunked", "Content-Length: 99999999999"), "data")
    t.match(lying, /^HTTP\/1\.1 413 /)
    t.equal((await fetch(`${url}/health`)).status, 200)
  })

  t.test(`${name}: unknown routes, methods and hosts get the error object`, async (t) => {
    const { url, port } = await startServer(t, name)
    const unknown = await fetch(`${url}/v1/nothing`)
    t.equal(unknown.status, 404)
    t.match(await unknown.json(), { error: { code: "not_found" } })
    for (const path of ["/v1/models/%", "/static/..%2f..%2fpackage.json", "/static/vendor", "/v1/models/"])
      t.equal((await fetch(url + path)).status, 404, path)
    const method = await fetch(`${url}/v1/chat/completions`)
    t.equal(method.status, 405)
    t.equal(method.headers.get("allow"), "POST, OPTIONS")
    const options = await fetch(`${url}/health`, { method: "OPTIONS" })
    t.equal(options.status, 204)
    t.equal(options.headers.get("access-control-allow-origin"), null)
    t.equal((await fetch(`${url}/health`, { method: "DELETE" })).status, 405)
    const rebound = await raw(
      port,
      "GET /v1/models HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
      "data",
    )
    t.match(rebound, /^HTTP\/1\.1 403 /)
    t.match(rebound, /forbidden_host/)
    const page = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { origin: "https://evil.example", "content-type": "text/plain" },
      body: JSON.stringify(CHAT),
    })
    t.equal(page.status, 403)
  })

  t.test(`${name}: bytes that are no HTTP, big headers and half-open sockets stop nobody`, async (t) => {
    const { url, port } = await startServer(t, name)
    const filler = (bytes: number) => `X-Filler: ${"a".repeat(bytes)}\r\n`
    const fits = await raw(port, `GET /health HTTP/1.1\r\nHost: localhost\r\n${filler(12_000)}\r\n`, "data")
    t.match(fits, /^HTTP\/1\.1 200 /)
    const large = await raw(port, `GET /health HTTP/1.1\r\nHost: localhost\r\n${filler(40_000)}\r\n`, "data")
    t.match(large, /^HTTP\/1\.1 431 /)
    for (const bytes of ["\u0000\u0001\r\n\r\n", "GET\r\n\r\n", "BREW / HTCPCP/1.0\r\n\r\n"])
      t.notMatch(await raw(port, bytes), /^HTTP\/1\.1 200 /)
    const open = Array.from({ length: 200 }, () => connect(port, "127.0.0.1").on("error", () => {}))
    for (const socket of open) socket.write("POST /v1/completions HTTP/1.1\r\nHost: loc")
    await Promise.all(open.filter((socket) => socket.connecting).map((socket) => once(socket, "connect")))
    t.equal((await fetch(`${url}/health`)).status, 200)
    for (const socket of open) socket.destroy()
  })

  t.test(`${name}: a key is asked on every route but the open ones`, async (t) => {
    const { url, post } = await startServer(t, name, { keys: ["secret"] })
    for (const path of ["/health", "/ready", "/openapi.json", "/docs", "/static/dashboard.css"])
      t.equal((await fetch(url + path)).status, 200, path)
    t.equal((await fetch(url, { method: "HEAD" })).status, 200)
    for (const path of [
      "/",
      "/v1/models",
      "/metrics",
      "/events",
      "/requests",
      "/errors",
      "/queue",
      "/memory",
      "/cluster",
    ])
      t.equal((await fetch(url + path)).status, 401, path)
    const refused = await post("/v1/chat/completions", CHAT)
    t.equal(refused.status, 401)
    t.match(await refused.json(), { error: { type: "authentication_error", code: "invalid_api_key" } })
    for (const headers of [{ authorization: "Bearer secret" }, { "x-api-key": "secret" }])
      t.equal((await post("/v1/chat/completions", CHAT, { headers })).status, 200)
  })

  t.test(`${name}: a client that leaves in the middle of its body leaves nothing behind`, async (t) => {
    const { url, port, engine } = await startServer(t, name)
    for (let index = 0; index < 20; index++) {
      const socket = connect(port, "127.0.0.1")
      socket.on("error", () => {})
      socket.write("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n{")
      await once(socket, "connect")
      socket.destroy()
    }
    t.match(await (await fetch(`${url}/queue`)).json(), { active: 0 })
    t.same(engine.submitted, [])
  })
}
