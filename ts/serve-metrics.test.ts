// Numbers add up: after two hundred mixed requests to a real server its counters and histograms are what the clients
// counted, its first-token times are the clients', and a real Prometheus that scraped it gives the same rates.

import { readFileSync } from "node:fs"
import { join } from "node:path"
import t from "tap"
import { askMixed } from "./testing/mixed-requests.ts"
import { checkConfig, GRAFANA, SCRAPE_S, skipPrometheus, startPrometheus } from "./testing/prometheus.ts"
import { startServer } from "./testing/server-process.ts"
import { until } from "./testing/until.ts"

/** Between the clients' percentiles and the server's. */
const TTFT_TOLERANCE = 0.1
/** A rate is extrapolated to the edges of its window by up to a scrape at each. */
const RATE_TOLERANCE = 0.04
const ROUTE = "/v1/chat/completions"

async function metricsOf(address: string): Promise<(series: string) => number> {
  const text = await (await fetch(`${address}/metrics`)).text()
  const values = new Map(
    text
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1))]),
  )
  return (series) => values.get(`mlx_cluster_${series}`) ?? 0
}

interface Entry {
  readonly id: string
  readonly status: string
  readonly completion_tokens: number
  readonly ttft_ms: number | null
}

async function historyOf(address: string): Promise<readonly Entry[]> {
  const body: unknown = await (await fetch(`${address}/requests`)).json()
  return Object(body).requests
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

const skip = skipPrometheus

t.test("promtool accepts the documented configuration", { skip }, async (t) => {
  t.equal(checkConfig(t.testdir()), null)
})

t.test(
  "two hundred mixed requests: server, Prometheus and clients count the same",
  { skip, timeout: 240_000 },
  async (t) => {
    const server = startServer({ model: "tiny", stateFolder: t.testdir(), http: { port: 0, maxPerClient: 64 } })
    t.teardown(() => server.child.kill("SIGKILL"))
    const address = await server.ready
    // A counter that is new when it is first scraped has no rate: each begins before Prometheus does.
    await (
      await fetch(address + ROUTE, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ messages: [{ role: "user", content: "Count to three." }], max_tokens: 8 }),
      })
    ).text()
    const before = await metricsOf(address)
    const folder = t.testdir({ prometheus: {} })
    const prometheus = await startPrometheus(join(folder, "prometheus"), new URL(address).host)
    t.teardown(() => prometheus.close())
    const beganS = Date.now() / 1000

    const tally = await askMixed(address)
    t.same(tally.wrong, [])
    t.match(tally, { ok: 160, failed: 20, cancelled: 20, refused: 10 })
    await until(async () => (await metricsOf(address))("requests_active") === 0)
    const after = await metricsOf(address)
    const grown = (series: string) => after(series) - before(series)
    const history = await historyOf(address)

    await t.test("counters are the clients' tally", async (t) => {
      const begun = tally.ok + tally.failed + tally.cancelled
      const cancelled = history.filter(({ status }) => status === "cancelled")
      const cancelledTokens = cancelled.reduce((sum, request) => sum + request.completion_tokens, 0)
      t.equal(cancelled.length, tally.cancelled)
      t.equal(grown("requests_total"), begun)
      t.equal(grown("tokens_generated_total"), tally.completionTokens + cancelledTokens)
      t.equal(grown("prompt_tokens_total") >= tally.promptTokens, true)
      const reasons = ["stop", "length", "tool_calls"].map((reason) => `requests_finished_total{reason="${reason}"}`)
      t.equal(
        reasons.reduce((sum, series) => sum + grown(series), 0),
        tally.ok,
      )
      t.equal(grown('requests_finished_total{reason="error"}'), tally.failed)
      t.equal(grown('requests_finished_total{reason="cancelled"}'), tally.cancelled)
      t.equal(grown(`http_responses_total{route="${ROUTE}",status="400"}`), tally.failed + tally.refused)
      t.equal(grown(`http_responses_total{route="${ROUTE}",status="200"}`), tally.ok + tally.cancelled)
    })

    await t.test("histogram counts are requests", async (t) => {
      t.equal(grown("request_duration_seconds_count"), tally.ok)
      t.equal(grown("queue_time_seconds_count"), tally.ok)
      t.equal(grown("prefill_time_seconds_count"), tally.ok)
      t.equal(grown("time_to_first_token_seconds_count"), tally.ok + tally.cancelled)
      for (const name of ["request_duration_seconds", "time_to_first_token_seconds", "step_time_seconds"])
        t.equal(after(`${name}_bucket{le="+Inf"}`), after(`${name}_count`))
      t.ok(grown("step_time_seconds_count") > 0)
    })

    await t.test("first-token times are those that the clients measured, within 10 %", async (t) => {
      const server = new Map(history.map(({ id, ttft_ms: ttftMs }) => [id, ttftMs ?? Number.NaN]))
      const ids = [...tally.firstTextMs.keys()].filter((id) => server.has(id))
      t.equal(ids.length, 80)
      for (const share of [0.5, 0.9, 0.99]) {
        const theirs = percentile([...tally.firstTextMs.values()], share)
        const ours = percentile(
          ids.map((id) => server.get(id) ?? Number.NaN),
          share,
        )
        t.ok(
          Math.abs(ours - theirs) <= theirs * TTFT_TOLERANCE,
          `p${share * 100}: server ${ours.toFixed(1)} ms, clients ${theirs.toFixed(1)} ms`,
        )
      }
    })

    await t.test("Prometheus has the same values and rates", async (t) => {
      const series = [
        "mlx_cluster_requests_total",
        "mlx_cluster_tokens_generated_total",
        "mlx_cluster_request_duration_seconds_count",
        `mlx_cluster_http_responses_total{route="${ROUTE}",status="200"}`,
      ]
      const first = series[0] ?? ""
      await until(async () => (await prometheus.query(first))[0] === after("requests_total"))
      // A scrape more, so that the window ends in calm as it began.
      const scrapes = await prometheus.query(`count_over_time(${first}[5m])`)
      await until(
        async () => ((await prometheus.query(`count_over_time(${first}[5m])`))[0] ?? 0) > (scrapes[0] ?? 0) + 1,
      )
      const endS = Date.now() / 1000
      const windowS = Math.ceil(endS - beganS) + SCRAPE_S
      for (const each of series) {
        const name = each.replace("mlx_cluster_", "")
        t.same(await prometheus.query(each, endS), [after(name)], name)
        const [rate = 0] = await prometheus.query(`rate(${each}[${windowS}s])`, endS)
        const counted = grown(name)
        t.ok(
          Math.abs(rate * windowS - counted) <= counted * RATE_TOLERANCE,
          `${name}: rate() says ${(rate * windowS).toFixed(1)}, the clients ${counted}`,
        )
      }
    })

    await t.test("every query of the Grafana dashboard and every alert rule runs", async (t) => {
      const text = readFileSync(join(GRAFANA, "dashboard.json"), "utf8")
      const expressions = [...text.matchAll(/"expr": ("(?:[^"\\]|\\.)*")/g)].map(([, found = '""']) =>
        String(JSON.parse(found)),
      )
      t.ok(expressions.length > 20)
      const empty: string[] = []
      for (const expression of expressions) {
        const filled = expression.replaceAll("$job", "mlx-cluster").replaceAll("$__rate_interval", "1m")
        if ((await prometheus.query(filled)).length === 0) empty.push(expression)
      }
      // One rank has no link; no request was refused at admission and none failed by the server.
      t.same(
        empty.filter((expression) => !/_link_|_refused_|_errors_/.test(expression)),
        [],
      )
      await until(async () => (await prometheus.brokenRules()).length === 0)
    })

    await prometheus.close()
    server.child.kill("SIGTERM")
    t.equal((await server.ended).code, 0)
  },
)
