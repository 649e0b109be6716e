import t from "tap"
import { Compile } from "typebox/compile"
import { Model, ModelList } from "../schemas/model.ts"
import { Health, Ready } from "../schemas/operations.ts"
import { CHAT, SERVERS, startServer } from "../testing/start-server.ts"

const metricLine = /^[a-z_:]+(\{[a-z_]+="[^"\n]*"(,[a-z_]+="[^"\n]*")*\})? (-?\d+(\.\d+)?(e[+-]?\d+)?|\+Inf)$/

for (const name of SERVERS) {
  t.test(`${name}: models are listed and found by ids with slashes, plain or escaped`, async (t) => {
    const { url } = await startServer(t, name)
    const list: unknown = await (await fetch(`${url}/v1/models`)).json()
    t.ok(Compile(ModelList).Check(list))
    for (const path of ["org/scripted-1b", "org%2Fscripted-1b"]) {
      const model: unknown = await (await fetch(`${url}/v1/models/${path}`)).json()
      t.ok(Compile(Model).Check(model))
      t.match(model, { id: "org/scripted-1b", root: "org/scripted-1b", max_model_len: 64 })
    }
    const unknown = await fetch(`${url}/v1/models/other`)
    t.equal(unknown.status, 404)
    t.match(await unknown.json(), { error: { code: "model_not_found" } })
  })

  t.test(`${name}: health, readiness and the small views have their shapes`, async (t) => {
    const { url, post } = await startServer(t, name)
    await (await post("/v1/chat/completions", CHAT)).text()
    const get = async (path: string): Promise<unknown> => (await fetch(url + path)).json()
    t.ok(Compile(Health).Check(await get("/health")))
    t.ok(Compile(Ready).Check(await get("/ready")))
    t.match(await get("/requests"), {
      requests: [{ kind: "chat", prompt_tokens: 5, completion_tokens: 7, status: "ok", finish_reason: "stop" }],
      latency_ms: { request: { p50: Number, p99: Number } },
    })
    t.match(await get("/errors"), { errors: [] })
    t.match(await get("/queue"), { size: 0, max: 8, running: 0, active: 0 })
    t.match(await get("/memory"), { 0: { total_gb: 51.54 }, 1: { active_gb: 15.032 } })
    t.match(await get("/cluster"), { size: 2, nodes: [{ rank: 0 }, { rank: 1 }] })
    const head = await fetch(`${url}/health`, { method: "HEAD" })
    t.equal(head.status, 200)
    t.ok(Number(head.headers.get("content-length")) > 50)
    t.equal(await head.text(), "")
  })

  t.test(
    `${name}: metrics are Prometheus text: each family has one HELP and TYPE, histograms are cumulative`,
    async (t) => {
      const { url, post } = await startServer(t, name)
      await (await post("/v1/chat/completions", CHAT)).text()
      await (await post("/v1/chat/completions", { ...CHAT, model: 'evil"\n{}' })).text()
      const response = await fetch(`${url}/metrics`)
      t.match(response.headers.get("content-type"), "text/plain; version=0.0.4")
      const text = await response.text()
      t.notMatch(text, /evil/)
      const families = [...text.matchAll(/^# TYPE (\S+) /gm)].map((match) => match[1])
      t.equal(new Set(families).size, families.length)
      t.equal([...text.matchAll(/^# HELP /gm)].length, families.length)
      for (const line of text.trimEnd().split("\n")) if (!line.startsWith("#")) t.match(line, metricLine)
      for (const expected of [
        "mlx_cluster_requests_total 1",
        "mlx_cluster_tokens_generated_total 7",
        "mlx_cluster_queue_depth 0",
        'mlx_cluster_memory_used_bytes{rank="1"} 19327352832',
        "mlx_cluster_rdma_bandwidth_gbps 7.92",
        "mlx_cluster_rdma_latency_us 26.1",
        'mlx_cluster_requests_finished_total{reason="stop"} 1',
        'mlx_cluster_time_to_first_token_seconds_bucket{le="+Inf"} 1',
        "mlx_cluster_inter_token_latency_seconds_count 6",
        'mlx_cluster_http_responses_total{route="/v1/chat/completions",status="404"} 1',
      ])
        t.ok(text.split("\n").includes(expected), expected)
      const counts = [...text.matchAll(/request_duration_seconds_bucket\{le="[^"]+"\} (\d+)/g)].map((m) => Number(m[1]))
      t.same(
        counts,
        counts.toSorted((a, b) => a - b),
      )
    },
  )
}
