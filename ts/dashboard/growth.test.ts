// A page that stays open must not grow: snapshots come as fast as the page takes them, each with new requests, errors
// and figures, as in an hour of a busy cluster. MLX_CLUSTER_ROUNDS=full (make test-full) pushes the 3600 of a whole hour.
// CHROMIUM names the browser; without one the test is skipped, unless MLX_CLUSTER_REQUIRE_ALL asks for every test.

import { existsSync } from "node:fs"
import { type CDPSession, chromium } from "playwright-core"
import t from "tap"
import { startPageServer } from "./testing/page-server.ts"
import { sampleSnapshot } from "./testing/sample-snapshot.ts"
import type { Snapshot } from "./snapshot.ts"

/** A second each. */
const SNAPSHOTS = process.env["MLX_CLUSTER_ROUNDS"] === "full" ? 3600 : 200
/** After these the page is warm: compiled and laid out. */
const WARM = 40
/** Between two looks at the heap. */
const LOOK = 5
/** What the least of the later half of the looks may have more than that of the earlier half: a heap goes up and down. */
const HEAP_GROWTH_MAX = 1024 * 1024
const NODE_GROWTH_MAX = 100
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

interface Look {
  readonly heapBytes: number
  readonly nodes: number
  readonly listeners: number
}

async function look(devtools: CDPSession): Promise<Look> {
  // What the first collection finalizes, the second frees.
  await devtools.send("HeapProfiler.collectGarbage")
  await devtools.send("HeapProfiler.collectGarbage")
  const { usedSize } = await devtools.send("Runtime.getHeapUsage")
  const { nodes, jsEventListeners } = await devtools.send("Memory.getDOMCounters")
  return { heapBytes: usedSize, nodes, listeners: jsEventListeners }
}

const least = (looks: readonly Look[], of: keyof Look) => Math.min(...looks.map((one) => one[of]))

t.test("a page that is open for an hour of snapshots does not grow", { skip, timeout: 1_800_000 }, async (t) => {
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

  const looks: Look[] = []
  for (let second = 2; second <= SNAPSHOTS; second++) {
    server.push(snapshotOf(second))
    if (second % LOOK !== 0) continue
    // The page may drop what it has no time for; this one it must have shown.
    await page.locator("#panel-overview", { hasText: second.toLocaleString("en") }).waitFor()
    if (second > WARM) looks.push(await look(devtools))
  }
  const middle = Math.floor(looks.length / 2)
  const [earlier, later] = [looks.slice(0, middle), looks.slice(middle)]
  const growth = (of: keyof Look) => least(later, of) - least(earlier, of)
  const heap = `${Math.round(growth("heapBytes") / 1024)} KiB to ${least(later, "heapBytes") >> 10} KiB`
  t.comment(`heap in KiB: ${looks.map(({ heapBytes }) => heapBytes >> 10).join(" ")}`)
  t.ok(growth("heapBytes") < HEAP_GROWTH_MAX, `in ${SNAPSHOTS} snapshots its heap grew by ${heap}`)
  t.ok(growth("nodes") < NODE_GROWTH_MAX, `its document by ${growth("nodes")} nodes to ${least(later, "nodes")}`)
  t.ok(growth("listeners") < NODE_GROWTH_MAX, `and by ${growth("listeners")} listeners`)
})
