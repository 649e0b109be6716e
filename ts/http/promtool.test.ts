// Prometheus' own checker over the real /metrics and the shipped alert rules. Without promtool it is skipped, unless
// MLX_CLUSTER_REQUIRE_ALL asks for every test.

import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
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

const grafana = new URL("../../../docs/grafana/", import.meta.url)

t.test("promtool accepts the alert rules", { skip }, async (t) => {
  const checked = spawnSync(promtool, ["check", "rules", fileURLToPath(new URL("alerts.yml", grafana))], {
    encoding: "utf8",
  })
  t.equal(checked.status, 0, checked.stdout + checked.stderr)
  t.match(checked.stdout, /SUCCESS: \d+ rules found/)
})

t.test("dashboard and alerts ask only for metrics and labels that the server has", async (t) => {
  const { url, post } = await startServer(t, "node")
  await (await post("/v1/chat/completions", CHAT)).text()
  const text = await (await fetch(`${url}/metrics`)).text()
  const families = new Set([...text.matchAll(/^# TYPE (\S+) /gm)].map((match) => match[1] ?? ""))
  for (const file of ["dashboard.json", "alerts.yml"]) {
    const asked = readFileSync(new URL(file, grafana), "utf8").match(/\bmlx_cluster_\w+/g) ?? []
    t.ok(asked.length > 5, file)
    for (const name of new Set(asked)) t.ok(families.has(name.replace(/_bucket$/, "")), name)
  }
})
