// A page that stays open must not grow: snapshots come as fast as the page takes them, each with new requests, errors
// and figures, as in an hour of a busy cluster. MLX_CLUSTER_ROUNDS=full (make test-full) pushes the 3600 of a whole hour.
// CHROMIUM names the browser; without one the test is skipped, unless MLX_CLUSTER_REQUIRE_ALL asks for every test.

import { existsSync } from "node:fs"
import { type CDPSession, chromium } from "playwright-core"
import t from "tap"
import { startPageServer } from "./testing/page-server.ts"
import { sampleSnapshot } from "./testing/sample-snapshot.ts"
import type { Snapshot } from "./snapshot.ts"

const SNAPSHOTS = process.env["MLX_CLUSTER_ROUNDS"] === "full" ? 3600 : 160
/** After these the page is warm: compiled and laid out. */
const WARM = 80
/** Bytes of JavaScript heap, and nodes of the document, that may come on top. */
const HEAP_GROWTH_MAX = 1024 * 1024
const NODE_GROWTH_MAX = 500
const WAIT_MS = 20_000
const REQUESTS = 50
const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]
const executablePath = process.env["CHROMIUM"] ?? PLACES.find(existsSync)
const skip =
  executablePath === undefined && process.env["MLX_CLUSTER_REQUIRE_ALL"] === undefined
    ? "no Chromium: install it or name it in CHROMIUM"
    : false

/** The `second`th second of a busy cluster: one new request, now and then an error, other figures everywhere. */
function snapshotOf(second: number): Snapshot {
  const sample = sampleSnapshot(2)
  const [request] = sample.requests
  const [error] = sample.errors
  if (request === undefined || error === undefined) throw new Error("the sample has requests and errors")
  const newest = 1_700_000_000_000 + second * 1000
  return {
    ...sample,
    uptime_s: second,
    total_requests: second,
    history: sample.history.map((_, index) => (second * 7 + index * 13) % 90),
    requests: Array.from({ length: REQUESTS }, (_, age) => ({
      ...request,
      id: `chatcmpl-${REQUESTS + second - age}`,
      time: newest - age * 1000,
      latency_ms: 500 + ((second - age) % 97),
    })),
    errors: Array.from({ length: REQUESTS }, (_, age) => ({
      ...error,
      time: newest - (second % 10) * 1000 - age * 10_000,
    })),
  }
}

async function usage(devtools: CDPSession): Promise<{ heapBytes: number; nodes: number }> {
  await devtools.send("HeapProfiler.collectGarbage")
  const { usedSize } = await devtools.send("Runtime.getHeapUsage")
  const { nodes } = await devtools.send("Memory.getDOMCounters")
  return { heapBytes: usedSize, nodes }
}

t.test("a page that is open for an hour of snapshots does not grow", { skip, timeout: 900_000 }, async (t) => {
  const server = await startPageServer(snapshotOf(1), () => ({ deltas: [], hangs: false }))
  t.teardown(() => server.close())
  const browser = await chromium.launch({ executablePath: executablePath ?? "chromium", args: ["--no-sandbox"] })
  t.teardown(() => browser.close())
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } })
  page.setDefaultTimeout(WAIT_MS)
  const devtools = await page.context().newCDPSession(page)
  await devtools.send("HeapProfiler.enable")
  await page.goto(server.url)
  await server.listening()

  let warm = { heapBytes: 0, nodes: 0 }
  for (let second = 2; second <= SNAPSHOTS; second++) {
    server.push(snapshotOf(second))
    // The page may drop what it has no time for; each tenth it must have shown.
    if (second % 10 === 0) await page.locator("#panel-overview", { hasText: second.toLocaleString("en") }).waitFor()
    if (second === WARM) warm = await usage(devtools)
  }
  await page.locator("#panel-overview", { hasText: SNAPSHOTS.toLocaleString("en") }).waitFor()
  const last = await usage(devtools)
  const grown = last.heapBytes - warm.heapBytes
  t.ok(grown < HEAP_GROWTH_MAX, `the page grew by ${Math.round(grown / 1024)} KiB to ${last.heapBytes >> 10} KiB`)
  t.ok(last.nodes - warm.nodes < NODE_GROWTH_MAX, `its document by ${last.nodes - warm.nodes} nodes to ${last.nodes}`)
})
