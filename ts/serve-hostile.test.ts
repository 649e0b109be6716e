// A hostile client against every route of a real server: it is answered at once and never by a fault of the server, two
// hundred half-open sockets keep nobody out, others are served in time, and the front's memory stays near its start.
// A part of the cases in make test, all of them with MLX_CLUSTER_ROUNDS=full (make test-full).

import { connect, type Socket } from "node:net"
import { Worker } from "node:worker_threads"
import t from "tap"
import { type HostileCase, hostileCases, type RouteDocument } from "./testing/hostile-cases.ts"
import { metric } from "./testing/metrics.ts"
import { mebibytes, processMemory } from "./testing/process-memory.ts"
import { startServer } from "./testing/server-process.ts"
import { askSum, sumOf } from "./testing/sums.ts"

const isFull = process.env["MLX_CLUSTER_ROUNDS"] === "full"
/** One case in so many. No divisor of a list's length: no kind of case is left out. */
const EVERY = isFull ? 1 : 5
const AT_ONCE = 4
const ANSWER_MS = 15_000
const HALF_OPEN = 200
const HEALTH_P99_MS = 100
const MEMORY_RATIO = 1.5

const BROKEN_STARTS = [
  "POST /v1/completions HTTP/1.1\r\nHost: loc",
  "GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
  "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n{",
  "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n{",
  "\u0000\u0001",
  "",
]

/** Sockets that begin a request and never end it; one that the server closes is opened again. */
function holdHalfOpen(port: number): () => void {
  const sockets = new Set<Socket>()
  let isOver = false
  const open = (index: number) => {
    const socket = connect(port, "127.0.0.1")
    sockets.add(socket)
    socket.on("error", () => undefined)
    socket.on("close", () => {
      sockets.delete(socket)
      if (!isOver) setTimeout(() => !isOver && open(index), 100)
    })
    socket.resume()
    socket.write(BROKEN_STARTS[index % BROKEN_STARTS.length] ?? "")
  }
  for (let index = 0; index < HALF_OPEN; index++) open(index)
  return () => {
    isOver = true
    for (const socket of sockets) socket.destroy()
  }
}

/** The status; 0 where there is none: the server closed the connection, as it may on a request that it cannot read. */
async function send(address: string, { method, path, headers, body }: HostileCase): Promise<number> {
  const over = new AbortController()
  const timer = setTimeout(() => over.abort(new Error("no answer in time")), ANSWER_MS)
  try {
    const response = await fetch(address + path, { method, headers, body, signal: over.signal })
    // The beginning is enough: event streams have no end.
    await response.body?.getReader().read()
    return response.status
  } catch (error) {
    if (over.signal.aborted) throw error
    return 0
  } finally {
    clearTimeout(timer)
    over.abort()
  }
}

async function probeHealth(address: string): Promise<() => Promise<number[]>> {
  const worker = new Worker(new URL("./testing/health-probe.js", import.meta.url), { workerData: address })
  await new Promise((resolve) => worker.once("message", resolve))
  return async () => {
    const took = new Promise<number[]>((resolve, reject) => {
      worker.once("message", resolve)
      worker.once("error", reject)
    })
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker has no origin
    worker.postMessage("stop")
    return (await took).toSorted((a, b) => a - b)
  }
}

t.test("a hostile client harms nobody", { timeout: 900_000 }, async (t) => {
  const server = startServer({ model: "tiny", stateFolder: t.testdir(), http: { port: 0 } })
  t.teardown(() => server.child.kill("SIGKILL"))
  const address = await server.ready
  const pid = server.child.pid ?? 0
  const ranks = server.ranks()
  const canMeasure = process.platform === "linux"
  t.equal(await askSum(address, sumOf(0), "stream"), null)
  const start = canMeasure ? (await processMemory(pid)).rssBytes : 0

  const document: RouteDocument = JSON.parse(await (await fetch(`${address}/openapi.json`)).text())
  const cases = hostileCases(document).filter((_, index) => index % EVERY === 0)
  const release = holdHalfOpen(Number(new URL(address).port))
  t.teardown(release)
  const stopProbe = await probeHealth(address)
  const faults: string[] = []
  let next = 0
  const client = async () => {
    for (let one = cases[next++]; one !== undefined; one = cases[next++]) {
      const status = await send(address, one).catch(String)
      if (typeof status === "number" && (status < 500 || status === 503)) continue
      faults.push(`${one.method} ${one.path.slice(0, 60)} ${String(one.body).slice(0, 200)} -> ${status}`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, client))
  const tookMs = await stopProbe()
  release()

  t.same(faults.slice(0, 10), [], `${cases.length} cases`)
  const at = (share: number) => tookMs[Math.floor((tookMs.length - 1) * share)] ?? Number.NaN
  const times = `/health took p50 ${at(0.5).toFixed(1)}, p99 ${at(0.99).toFixed(1)} ms of ${tookMs.length}`
  // Beside other tests on shared cores only the median says something of the server.
  t.ok(at(isFull ? 0.99 : 0.5) < HEALTH_P99_MS, times)
  if (canMeasure) {
    const { peakRssBytes } = await processMemory(pid)
    const grown = `the front's peak under hostile requests: ${mebibytes(peakRssBytes)} MiB, from ${mebibytes(start)} MiB`
    t.ok(peakRssBytes < start * MEMORY_RATIO, grown)
  }
  t.equal(await askSum(address, sumOf(1), "stream"), null, "it answers as before")
  t.same(server.ranks(), ranks, "no rank was lost")
  const internal = await (await fetch(`${address}/errors`)).text()
  t.notMatch(internal, '"code":"internal"')
  t.equal(await metric(address, "requests_active"), 0)
  server.child.kill("SIGTERM")
  t.equal((await server.ended).code, 0)
})
