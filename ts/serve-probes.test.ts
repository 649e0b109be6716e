// Links are measured before a server is ready and then while nothing runs, by all ranks together; requests go on as ever.

import t from "tap"
import { streamAnswer } from "./testing/answer-stream.ts"
import { startServer } from "./testing/server-process.ts"

interface Link {
  readonly from: number
  readonly to: number
  readonly latencyUs: number | null
  readonly latencyP99Us: number | null
  readonly bandwidthBytesPerSecond: number | null
  readonly degraded: string | null
  readonly ceiling: { readonly bytesPerSecond: number; readonly source: string } | null
}

interface Cluster {
  readonly links: readonly Link[]
  readonly group: unknown
  readonly certificate: unknown
  readonly versions: unknown
}

t.test(
  "every link of three ranks has its latency and bandwidth, in /cluster and /metrics as soon as it serves",
  async (t) => {
    const server = startServer({ model: "tiny", stateFolder: t.testdir(), http: { port: 0 }, localRanks: 3 })
    t.teardown(() => server.child.kill("SIGKILL"))
    const address = await server.ready
    const get = async (path: string) => await (await fetch(`${address}${path}`)).text()
    // The server's own answer.
    const { links, ...facts } = JSON.parse(await get("/cluster")) as Cluster
    t.match(facts, {
      group: { transport: "tcp", isGuarded: true, shares: [1 / 3, 1 / 3, 1 / 3] },
      certificate: { proof: "one rank", tokens: 16, agreeing: 16, hash: /^[0-9a-f]{64}$/ },
      versions: { program: /^\d/, node: process.versions.node, mlx: /^0\./ },
    })
    t.equal(links.length, 6, "three pairs, both ways")
    for (const { from, to, latencyUs, latencyP99Us, bandwidthBytesPerSecond, degraded, ceiling } of links) {
      t.ok(Number(latencyUs) > 0 && Number(latencyP99Us) >= Number(latencyUs), `${from} to ${to}: ${latencyUs} µs`)
      t.ok(Number(bandwidthBytesPerSecond) > 1e6, `${bandwidthBytesPerSecond} bytes a second`)
      t.equal(degraded, null)
      t.match(ceiling, { source: "measured" }, "loopback has no speed of its own")
      t.ok(Number(ceiling?.bytesPerSecond) >= Number(bandwidthBytesPerSecond))
    }
    const metrics = await get("/metrics")
    t.match(metrics, /mlx_cluster_link_latency_p99_seconds\{from="0",to="1",transport="tcp"\} [\d.e-]+/)
    t.match(metrics, /mlx_cluster_link_degraded\{from="1",to="2",transport="tcp"\} 0/)
    const { text, error } = await streamAnswer(address, "Count to ten.", 20).ended
    t.ok(text.length > 0 && error === null, "and requests are answered")
    server.child.kill("SIGTERM")
    t.equal((await server.ended).code, 0)
  },
)
