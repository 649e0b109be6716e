import type { ServerResponse } from "node:http"
import t from "tap"
import { monitorScreen, sparkline } from "./monitor-screen.ts"
import { clip } from "./screen-text.ts"
import { runProgram, startTestServer } from "./testing/run-program.ts"

const SNAPSHOT = {
  uptime_s: 8040,
  total_requests: 1423,
  total_tokens: 182_947,
  avg_tps_60s: 62.3,
  peak_tps_60s: 71,
  prefill_tps_60s: 1240,
  decode_tps_60s: 31.2,
  queue_size: 1,
  queue_max: 8,
  running: 2,
  history: [0, 10, 80],
  state: "ready",
  model: { id: "qwen3" },
  prefix_cache: { hit_tokens: 25, prompt_tokens: 100 },
  latency_ms: { time_to_first_token: { p50: 84, p90: 140, p99: 2412 }, inter_token: null },
  nodes: { 0: { status: "active", hostname: "mac.home" }, 1: { status: "disconnected", hostname: "mac2\u001b[2J" } },
  memory: { 0: { used_gb: 37.4, total_gb: 48 } },
  links: [{ from: 0, to: 1, label: "jaccl en4", link_active: false, bandwidth_gbps: 7.92, latency_us: 26.1 }],
  requests: Array.from({ length: 50 }, (_, index) => ({ time: 0, kind: `chat${index}`, status: "ok", ttft_ms: 84 })),
  errors: [{ time: 0, code: "rank_lost", message: "A rank was lost." }],
}
const plain = (_style: unknown, text: string) => text

async function eventServer(snapshot: unknown) {
  const open = new Set<ServerResponse>()
  const server = await startTestServer((_request, _body, response) => {
    response.writeHead(200, { "Content-Type": "text/event-stream" })
    response.write(`event: overview\ndata: <p>not this</p>\n\ndata: ${JSON.stringify(snapshot)}\n\n`)
    open.add(response)
  })
  return {
    url: server.url,
    async close() {
      for (const response of open) response.destroy()
      await server.close()
    },
  }
}

t.test("the monitor shows throughput, latency, ranks, links, requests and errors", async (t) => {
  const server = await eventServer(SNAPSHOT)
  t.teardown(() => server.close())
  const { code, stdout, stderr } = await runProgram(["monitor", "--once", "--url", server.url])
  t.equal(stderr, "")
  t.equal(code, 0)
  for (const part of [
    "▁▂█ 80 tok/s",
    "mean 62.3  peak 71 tok/s   prefill 1240, decode 31.2 tok/s a stream",
    "2 running, 1 waiting of 8   1423 requests, 182947 tokens   prefix cache 25%",
    "first token          84 ms    140 ms    2.41 s",
    "ACTIVE",
    "37.4/48.0 GB",
    "DISCONNECTED",
    "DOWN 7.92 GB/s  26.1 µs",
    "rank_lost A rank was lost.",
    "chat0",
  ])
    t.ok(stdout.includes(part), part)
  t.notOk(stdout.includes("\u001b"), "no colours and no control characters in a pipe")
})

t.test("the screen fits the terminal, whatever its size, and survives an empty snapshot", async (t) => {
  for (const size of [
    { columns: 80, rows: 24 },
    { columns: 200, rows: 60 },
    { columns: 20, rows: 5 },
  ]) {
    const lines = monitorScreen("http://x", SNAPSHOT, size, plain)
    t.ok(lines.length <= size.rows)
    t.ok(lines.every((line) => Array.from(line).length <= size.columns))
  }
  t.ok(monitorScreen("http://x", {}, { columns: 80, rows: 24 }, plain).length > 0)
  t.equal(clip("\u001b[31mabcdef\u001b[39m", 3), "\u001b[31mabc\u001b[39m")
  t.equal(sparkline([1, "x", 2], 2), "▁█")
})

t.test("monitor --json gives whole snapshots, and a lost server ends it with one line", async (t) => {
  const server = await eventServer(SNAPSHOT)
  let closed: Promise<void> | null = null
  const { code, stdout, stderr } = await runProgram(["monitor", "--json", "--url", server.url], {
    onOutput: () => {
      closed ??= server.close()
    },
  })
  t.equal(code, 1)
  t.equal(JSON.parse(stdout.trim()).total_tokens, 182_947)
  t.match(stderr, /^mlx-cluster: the connection was lost\n$/)
})

t.test("logs are merged, filtered by rank and words, and followed until Ctrl-C", async (t) => {
  const all = [
    { sequence: 1, time: 0, source: "rank 0", text: "loading" },
    { sequence: 2, time: 0, source: "rank 1", text: "an ERROR \u001b[2J" },
    { sequence: 3, time: 0, source: "front", text: "late" },
  ]
  const server = await startTestServer((request, _body, response) => {
    const after = Number(new URL(request.url ?? "", "http://x").searchParams.get("after"))
    const lines = all.filter((line) => line.sequence > after && (after > 0 || line.sequence < 3))
    response.end(JSON.stringify({ lines }))
  })
  t.teardown(() => server.close())
  const both = await runProgram(["logs", "--url", server.url])
  t.equal(both.code, 0)
  t.match(both.stdout, /rank 0 {2}loading\n.*rank 1 {2}an ERROR \[2J\n$/)
  t.notMatch((await runProgram(["logs", "--rank", "1", "--url", server.url])).stdout, "loading")
  t.match(
    (await runProgram(["logs", "--match", "error", "--json", "--url", server.url])).stdout,
    /^\{"sequence":2.*\}\n$/,
  )
  t.equal((await runProgram(["logs", "--match", "(", "--url", server.url])).code, 2)
  const followed = await runProgram(["logs", "-f", "--url", server.url], {
    onOutput: (stdout, interrupt) => {
      if (stdout.includes("late")) interrupt()
    },
  })
  t.equal(followed.code, 130)
  t.match(followed.stdout, "front   late")
})
