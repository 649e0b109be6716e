import t from "tap"
import { staticFiles } from "../../dashboard/index.ts"
import { CHAT, SERVERS, type TestServer, startServer } from "../testing/start-server.ts"

/** Reads /events until `enough`, then leaves. */
async function watch(server: TestServer, enough: (text: string) => boolean): Promise<string> {
  const controller = new AbortController()
  const response = await fetch(`${server.url}/events`, { signal: controller.signal })
  let text = ""
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk).toString()
    if (enough(text)) break
  }
  controller.abort()
  return text
}

for (const name of SERVERS) {
  t.test(`${name}: the page is HTML under a strict policy, its files have tags`, async (t) => {
    const { url } = await startServer(t, name)
    const page = await fetch(url)
    t.match(page.headers.get("content-type"), "text/html")
    t.match(page.headers.get("content-security-policy"), "script-src 'self'")
    t.match(await page.text(), /^<!doctype html>/)
    for (const [path, file] of staticFiles) {
      const response = await fetch(`${url}/static/${path}`)
      t.equal(response.headers.get("content-type"), file.contentType)
      t.ok(Buffer.from(await response.arrayBuffer()).equals(file.body), path)
      const again = await fetch(`${url}/static/${path}`, {
        headers: { "if-none-match": response.headers.get("etag") ?? "" },
      })
      t.equal(again.status, 304)
    }
  })

  t.test(`${name}: a watcher gets the v2 snapshot and all panels at once, then changes each second`, async (t) => {
    const server = await startServer(t, name)
    const snapshots = (text: string) => text.split("\n\n").filter((event) => event.startsWith("data: {"))
    let asked = false
    const text = await watch(server, (so) => {
      if (!asked && snapshots(so).length > 0) {
        asked = true
        void server.post("/v1/chat/completions", CHAT)
      }
      return snapshots(so).length >= 2
    })
    const [first, second] = snapshots(text).map((event): unknown => JSON.parse(event.slice("data: ".length)))
    t.match(first, {
      total_requests: 0,
      queue_max: 8,
      memory: { 0: { total_gb: 51.54 } },
      rdma: { bandwidth_gbps: 7.92, latency_us: 26.1, link_active: true, last_probe_s: 3 },
      nodes: { 0: { status: "active", hostname: "host-0", last_heartbeat_s: 1.5 } },
      model: { id: "org/scripted-1b" },
    })
    t.match(second, { total_requests: 1, total_tokens: 7 })
    t.match(text, /^event: overview$/m)
    t.match(text, /^event: requests$/m)
  })
}

t.test("no word of a client can be taken for markup in the snapshot", async (t) => {
  const server = await startServer(t, "uws")
  server.server.reportIncident("rank_lost", "<img src=x onerror=alert(1)>")
  const text = await watch(server, (so) => /^data: \{.*rank_lost/mu.test(so))
  t.notMatch(text, "<img")
  t.match(text, String.raw`\u003cimg`)
})

t.test("nothing is computed while nobody watches, and leaving is noticed", async (t) => {
  const server = await startServer(t, "uws")
  await watch(server, (text) => text.includes("data: {"))
  const viewers = async () => /dashboard_viewers (\d+)/.exec(await (await fetch(`${server.url}/metrics`)).text())?.[1]
  while ((await viewers()) !== "0") await new Promise(setImmediate)
  t.pass("the viewer is gone")
})
