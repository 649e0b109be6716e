// Links are measured while nothing runs, by all ranks together, and requests go on as ever.

import t from "tap"
import { streamAnswer } from "./testing/answer-stream.ts"
import { startServer } from "./testing/server-process.ts"
import { until } from "./testing/until.ts"

interface Link {
  readonly from: number
  readonly to: number
  readonly latencyUs: number | null
  readonly latencyP99Us: number | null
  readonly bandwidthBytesPerSecond: number | null
  readonly degraded: string | null
}

t.test("every link of three ranks has its latency and bandwidth, in /cluster and /metrics", async (t) => {
  const server = startServer({ model: "tiny", stateFolder: t.testdir(), http: { port: 0 }, localRanks: 3 })
  t.teardown(() => server.child.kill("SIGKILL"))
  const address = await server.ready
  const get = async (path: string) => await (await fetch(`${address}${path}`)).text()
  let links: readonly Link[] = []
  await until(async () => {
    // The server's own answer.
    links = (JSON.parse(await get("/cluster")) as { links: Link[] }).links
    return links.every((link) => link.latencyUs !== null && link.bandwidthBytesPerSecond !== null)
  })
  t.equal(links.length, 6, "three pairs, both ways")
  for (const { from, to, latencyUs, latencyP99Us, bandwidthBytesPerSecond, degraded } of links) {
    t.ok(Number(latencyUs) > 0 && Number(latencyP99Us) >= Number(latencyUs), `${from} to ${to}: ${latencyUs} µs`)
    t.ok(Number(bandwidthBytesPerSecond) > 1e6, `${bandwidthBytesPerSecond} bytes a second`)
    t.equal(degraded, null)
  }
  const metrics = await get("/metrics")
  t.match(metrics, /mlx_cluster_link_latency_p99_seconds\{from="0",to="1",transport="tcp"\} [\d.e-]+/)
  t.match(metrics, /mlx_cluster_link_degraded\{from="1",to="2",transport="tcp"\} 0/)
  const { text, error } = await streamAnswer(address, "Count to ten.", 20).ended
  t.ok(text.length > 0 && error === null, "and requests are answered")
  server.child.kill("SIGTERM")
  t.equal((await server.ended).code, 0)
})
