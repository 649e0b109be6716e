// Prometheus' own checker over the real /metrics and the shipped alert rules. Without promtool it is skipped, unless
// MLX_CLUSTER_REQUIRE_ALL asks for every test.

import { spawnSync } from "node:child_process"
import t from "tap"
import { CHAT, startServer } from "./testing/start-server.ts"

/** The roadmap's names, kept although their units are abbreviated; each has a twin in base units. */
const KEPT_NAMES = new Map([["mlx_cluster_rdma_latency_us", "mlx_cluster_rdma_latency_seconds"]])

const promtool = process.env["PROMTOOL"] ?? "promtool"
const there = spawnSync(promtool, ["--version"]).status === 0
const skip =
  !there && process.env["MLX_CLUSTER_REQUIRE_ALL"] === undefined
    ? "no promtool: install Prometheus or name it in PROMTOOL"
    : false

t.test("promtool objects to nothing in /metrics but the roadmap's own names", { skip }, async (t) => {
  const { url, post, server } = await startServer(t, "node")
  await (await post("/v1/chat/completions", CHAT)).text()
  await (await post("/v1/chat/completions", { ...CHAT, model: "other" })).text()
  server.reportIncident("rank_lost", "rank 1 ended")
  const text = await (await fetch(`${url}/metrics`)).text()
  const { stdout, stderr } = spawnSync(promtool, ["check", "metrics"], { input: text, encoding: "utf8" })
  const objections = `${stdout}${stderr}`.split("\n").filter((line) => line.trim() !== "")
  t.same(
    objections.filter((line) => !KEPT_NAMES.has(line.split(" ")[0] ?? "")),
    [],
  )
  for (const [kept, twin] of KEPT_NAMES) {
    t.match(text, `\n${kept} `)
    t.match(text, `\n${twin} `)
  }
  t.match(text, `mlx_cluster_errors_total{code="rank_lost"} 1`)
})
