import t from "tap"
import type { Snapshot } from "../dashboard/index.ts"
import type { StreamWriter } from "./server-port.ts"
import { startServer } from "./testing/start-server.ts"
import { createViewerHub } from "./viewer-hub.ts"

const HOUR_MS = 3_600_000

/** What a server of two ranks tells first. */
async function snapshotOf(url: string): Promise<Snapshot> {
  const controller = new AbortController()
  let text = ""
  for await (const chunk of (await fetch(`${url}/events`, { signal: controller.signal })).body ?? []) {
    text += Buffer.from(chunk).toString()
    if (/^data: \{.*\n\n/mu.test(text)) break
  }
  controller.abort()
  return JSON.parse(/^data: (\{.*)$/mu.exec(text)?.[1] ?? "")
}

t.test("a refresh tells the watchers at once, not at the next tick", async (t) => {
  let facts = await snapshotOf((await startServer(t, "node")).url)
  const hub = createViewerHub({
    snapshot: () => facts,
    histograms: () => ({}),
    intervalMs: HOUR_MS,
    histogramTicks: 10,
  })
  t.teardown(() => hub.close())
  let text = ""
  const writer: StreamWriter = { open: true, pendingBytes: 0, write: (more) => void (text += more), end() {} }
  hub.refresh()
  t.equal(text, "", "nothing is told while nobody watches")
  const leave = hub.join(writer)
  facts = { ...facts, state: "degraded" }
  text = ""
  hub.refresh()
  t.match(text, /^data: .*"state":"degraded"/mu)
  leave()
  text = ""
  hub.refresh()
  t.equal(text, "", "who left is told nothing")
})
