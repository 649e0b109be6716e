import { writeFileSync } from "node:fs"
import { join } from "node:path"
import t from "tap"
import { createApiKeys, readKeyFile } from "./api-keys.ts"
import { HttpError } from "./error-response.ts"
import { createGate, isLoopback, refuseOpenBind } from "./gate.ts"
import type { PortRequest } from "./server-port.ts"

const request = (headers: Record<string, string>): PortRequest => ({
  method: "GET",
  path: "/",
  query: "",
  headers: new Map(Object.entries(headers)),
  clientAddress: "10.0.0.9",
  body: () => Promise.resolve(Buffer.alloc(0)),
})
const gate = (settings: { keys?: string[]; host?: string; allowedHosts?: string[]; allowedOrigins?: string[] } = {}) =>
  createGate({
    host: settings.host ?? "127.0.0.1",
    allowedHosts: settings.allowedHosts ?? [],
    allowedOrigins: settings.allowedOrigins ?? [],
    keys: createApiKeys(settings.keys ?? []),
  })

t.test("only names of this server pass as Host", (t) => {
  const open = gate({ host: "192.168.1.5", allowedHosts: ["llm.example"] })
  for (const host of [
    "localhost",
    "LOCALHOST:8080",
    "127.0.0.1:1",
    "[::1]:8080",
    "192.168.1.5:80",
    "llm.example",
    "llm.example.",
  ])
    t.equal(open.admit(request({ host }), "key"), "ip:10.0.0.9", host)
  for (const host of ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "", "192.168.1.6"])
    t.throws(() => open.admit(request({ host }), "open"), { code: "forbidden_host" }, host)
  t.throws(() => open.admit(request({}), "open"), { code: "forbidden_host" })
  t.end()
})

t.test("a page of another origin may not call, one of this server or a configured one may", (t) => {
  const open = gate({ allowedOrigins: ["https://app.example", "tauri://localhost"] })
  const host = "localhost:8080"
  for (const origin of ["http://localhost:3000", "http://127.0.0.1:8080", "https://app.example", "tauri://localhost"])
    t.doesNotThrow(() => open.admit(request({ host, origin }), "key"), origin)
  for (const origin of ["https://evil.example", "null", "https://app.example.evil.example", "file://"])
    t.throws(() => open.admit(request({ host, origin }), "open"), { code: "forbidden_origin" }, origin)
  t.same(open.corsHeaders(request({ host, origin: "http://localhost:3000" })), {}, "no CORS unless configured")
  t.match(open.corsHeaders(request({ host, origin: "https://app.example" })), {
    "access-control-allow-origin": "https://app.example",
  })
  t.end()
})

t.test("a key is accepted as Bearer, x-api-key or Basic password, and gives the client its name", (t) => {
  const closed = gate({ keys: ["first", "second:with colon"] })
  const host = "localhost"
  const basic = Buffer.from("anyone:second:with colon").toString("base64")
  const names = [
    closed.admit(request({ host, authorization: "Bearer first" }), "key"),
    closed.admit(request({ host, "x-api-key": "first" }), "key"),
    closed.admit(request({ host, authorization: `Basic ${basic}` }), "key"),
  ]
  t.equal(names[0], names[1])
  t.not(names[0], names[2])
  t.match(names[0], /^key:[\da-f]{8}$/)
  for (const headers of [{}, { authorization: "Bearer " }, { authorization: "Bearer firs" }, { "x-api-key": "" }])
    t.throws(() => closed.admit(request({ host, ...headers }), "key"), { code: "invalid_api_key" })
  const challenge = (accept: string) => {
    try {
      return closed.admit(request({ host, accept }), "key")
    } catch (error) {
      return error instanceof HttpError ? error.headers["www-authenticate"] : null
    }
  }
  t.match(challenge("text/html,*/*"), /^Basic /, "a browser asks for it")
  t.match(challenge("*/*"), /^Bearer /)
  t.equal(closed.admit(request({ host }), "open"), "ip:10.0.0.9")
  t.end()
})

t.test("other hosts can reach a server only with a key or on purpose", (t) => {
  const none = createApiKeys([])
  for (const host of ["0.0.0.0", "::", "192.168.1.5", "mac.local"]) {
    t.throws(() => refuseOpenBind(host, none, false), /--insecure/, host)
    t.doesNotThrow(() => refuseOpenBind(host, none, true))
    t.doesNotThrow(() => refuseOpenBind(host, createApiKeys(["k"]), false))
  }
  for (const host of ["localhost", "127.0.0.1", "127.1.2.3", "::1", "[::1]"]) t.ok(isLoopback(host), host)
  t.notOk(isLoopback("127.0.0.1.evil.example"))
  t.end()
})

t.test("a key file holds one key a line, and is refused when it holds none", (t) => {
  const file = join(t.testdir({ keys: "# ours\n\nalpha\n  beta \n" }), "keys")
  t.same(readKeyFile(file), ["alpha", "beta"])
  writeFileSync(file, "# nothing\n")
  t.throws(() => readKeyFile(file), /holds no key/)
  t.end()
})
