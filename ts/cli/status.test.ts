import t from "tap"
import { runProgram, startTestServer } from "./testing/run-program.ts"

const ANSWERS: Readonly<Record<string, unknown>> = {
  "/health": { ok: true, version: "0.1.0", uptime_s: 8040 },
  "/v1/models": {
    data: [{ id: "qwen3", family: "qwen3", quantization: "4-bit", size_bytes: 2.26e9, context_length: 40_960 }],
  },
  "/cluster": {
    epoch: 1,
    size: 2,
    nodes: [
      { rank: 0, hostname: "mac.home", state: "active", detail: "", pid: 41, lastHeardMs: 210, memory: null },
      { rank: 1, hostname: "mac2", state: "disconnected", detail: "silent for 17 s", pid: null, lastHeardMs: 17_000 },
    ],
    links: [
      {
        from: 0,
        to: 1,
        transport: "jaccl",
        device: "en4",
        active: true,
        latencyUs: 26.1,
        bandwidthBytesPerSecond: 7.92e9,
        lastProbeMs: 3000,
        ceiling: { bytesPerSecond: 8e9, source: "cable" },
      },
    ],
    group: { transport: "jaccl-mesh", isGuarded: true, shares: [0.75, 0.25] },
    metalFastSynch: true,
    certificate: {
      proof: "one rank",
      backend: "metal",
      mlxVersion: "0.32.4",
      hash: "02ac79de9f286abcd90969d30731ff36",
      tokens: 16,
      agreeing: 16,
    },
  },
  "/memory": { 0: { used_gb: 37.4, total_gb: 48, model_gb: 2.26, kv_gb: 2.1 } },
  "/queue": { size: 1, max: 8, running: 2 },
}

async function fakeServer(ready: boolean) {
  return startTestServer((request, _body, response) => {
    const path = request.url ?? ""
    const isReady = path === "/ready"
    const body = isReady
      ? { ready, state: ready ? "ready" : "lost", detail: ready ? "" : "rank 1 is lost", models: [] }
      : ANSWERS[path]
    response.writeHead(isReady && !ready ? 503 : body === undefined ? 404 : 200, { "Content-Type": "application/json" })
    response.end(JSON.stringify(body ?? {}))
  })
}

t.test("status shows model, ranks, memory, links and queue, and ends with 0 when ready", async (t) => {
  const server = await fakeServer(true)
  t.teardown(() => server.close())
  const { code, stdout, stderr } = await runProgram(["status", "--url", server.url])
  t.equal(stderr, "")
  t.equal(code, 0)
  for (const part of [
    "mlx-jaccl-cluster 0.1.0",
    "ready",
    "up 2h 14m",
    "qwen3  qwen3  4-bit  2.26 GB  context 40,960",
    "0  mac.home  ACTIVE        heard 0.2 s ago",
    "78%  37.4 of 48.0 GB",
    "DISCONNECTED",
    "silent for 17 s",
    "0 - 1  jaccl en4  up  7.92 GB/s  99% of the cable  26.1 µs  probed 0m 3s ago",
    "jaccl-mesh, guarded; shares 75% / 25%; MLX_METAL_FAST_SYNCH on",
    "verified: answers as one rank does, 16 of 16 tokens",
    "hash 02ac79de9f28, MLX 0.32.4 metal",
    "2 running, 1 waiting, 8 places",
  ]) {
    t.ok(stdout.includes(part), part)
  }
})

t.test("status of a server that is not ready says why and ends with 1", async (t) => {
  const server = await fakeServer(false)
  t.teardown(() => server.close())
  const { code, stdout } = await runProgram(["status"], { env: { MLX_CLUSTER_URL: server.url } })
  t.equal(code, 1)
  t.match(stdout, "rank 1 is lost")
})

t.test("status --json gives every answer on one line", async (t) => {
  const server = await fakeServer(true)
  t.teardown(() => server.close())
  const { code, stdout } = await runProgram(["status", "--json", "--url", server.url])
  t.equal(code, 0)
  t.match(JSON.parse(stdout), { ready: { ready: true }, queue: ANSWERS["/queue"], memory: ANSWERS["/memory"] })
  t.equal(stdout.trimEnd().split("\n").length, 1)
})

t.test("status survives a server that knows none of its questions", async (t) => {
  const server = await startTestServer((_request, _body, response) => response.writeHead(404).end("nothing"))
  t.teardown(() => server.close())
  const { code, stdout, stderr } = await runProgram(["status", "--url", server.url])
  t.equal(code, 1)
  t.equal(stderr, "")
  t.match(stdout, "none loaded")
})

t.test("what a server says cannot steer the terminal", async (t) => {
  const server = await startTestServer((request, _body, response) =>
    response.end(
      JSON.stringify(request.url === "/ready" ? { ready: false, state: "lost", detail: "\u001b]0;x\u0007oops" } : {}),
    ),
  )
  t.teardown(() => server.close())
  const { stdout } = await runProgram(["status", "--url", server.url])
  t.match(stdout, "oops")
  t.notOk(stdout.includes("\u001b"))
})

t.test("without a server status fails in one line that says how to start one", async (t) => {
  const server = await fakeServer(true)
  await server.close()
  const { code, stdout, stderr } = await runProgram(["status", "--url", server.url])
  t.equal(code, 1)
  t.equal(stdout, "")
  t.match(
    stderr,
    /^mlx-cluster: no server answers at http:\/\/127\.0\.0\.1:\d+ \(ECONNREFUSED\); .*mlx-cluster serve\n$/,
  )
})

t.test("a server that asks for a key gets it, or the way to give it is said", async (t) => {
  const server = await startTestServer((request, _body, response) => {
    const allowed = request.headers.authorization === "Bearer secret"
    response.writeHead(allowed ? 200 : 401)
    response.end(JSON.stringify(allowed ? { ready: true } : { error: { message: "An API key is required." } }))
  })
  t.teardown(() => server.close())
  const refused = await runProgram(["status", "--url", server.url])
  t.equal(refused.code, 1)
  t.match(refused.stderr, "An API key is required. Give the key with --api-key-file or MLX_CLUSTER_API_KEY.")
  const allowed = await runProgram(["status", "--url", server.url], { env: { MLX_CLUSTER_API_KEY: "secret" } })
  t.equal(allowed.code, 0)
})
