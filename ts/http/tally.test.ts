// Numbers add up: what /metrics counts is what the clients counted, over mixed requests at the same time.

import t from "tap"
import { EngineError } from "../engine/index.ts"
import { createScriptedEngine, type Script } from "./testing/scripted-engine.ts"
import { CHAT, SERVERS, sseData, startServer } from "./testing/start-server.ts"

const ROUNDS = 40

/** The prompt says how it ends. */
const mixed = (usual: Script): Script =>
  async function* (request) {
    const words = JSON.stringify(request.prompt)
    if (words.includes("fail"))
      yield [
        { type: "queued", promptTokens: 5 },
        { type: "error", error: new EngineError("internal", "scripted") },
      ]
    else if (words.includes("hang")) {
      yield [{ type: "queued", promptTokens: 5 }]
      await new Promise(() => {})
    } else yield* usual(request)
  }

for (const name of SERVERS)
  t.test(`${name}: counters equal the clients' tally`, async (t) => {
    const engine = createScriptedEngine()
    engine.capacity = 1000
    engine.script = mixed(engine.script)
    const { url, post } = await startServer(t, name, {}, engine)
    const ask = (content: string, more: object = {}, init: RequestInit = {}) =>
      post("/v1/chat/completions", { ...CHAT, ...more, messages: [{ role: "user", content }] }, init)
    const tally = { ok: 0, failed: 0, cancelled: 0, refused: 0, tokens: 0 }
    const tokensOf = (body: unknown): number => {
      const usage: unknown = Object.getOwnPropertyDescriptor(body ?? {}, "usage")?.value
      return Number(Object.getOwnPropertyDescriptor(usage ?? {}, "completion_tokens")?.value ?? 0)
    }

    const whole = async () => {
      const body: unknown = await (await ask("whole")).json()
      tally.tokens += tokensOf(body)
      tally.ok++
    }
    const streamed = async () => {
      const response = await ask("stream", { stream: true, stream_options: { include_usage: true } })
      const last = sseData(await response.text()).at(-2) ?? "{}"
      tally.tokens += tokensOf(JSON.parse(last))
      tally.ok++
    }
    const failing = async () => {
      t.equal((await ask("fail")).status, 500)
      tally.failed++
    }
    const refused = async () => {
      t.equal((await ask("x", { temperature: 99 })).status, 400)
      tally.refused++
    }
    const cancelled = async () => {
      const leave = new AbortController()
      const submitted = engine.nextSubmit()
      const gone = engine.nextCancel()
      const asked = ask("hang", {}, { signal: leave.signal }).catch(() => null)
      await submitted
      leave.abort()
      await Promise.all([asked, gone])
      tally.cancelled++
    }
    for (let round = 0; round < ROUNDS; round++) {
      await Promise.all([whole(), streamed(), failing(), refused()])
      await cancelled()
    }

    const text = await (await fetch(`${url}/metrics`)).text()
    const value = (series: string) =>
      Number(
        text
          .split("\n")
          .find((line) => line.startsWith(`mlx_cluster_${series} `))
          ?.split(" ")
          .at(-1),
      )
    t.match(tally, { ok: 2 * ROUNDS, failed: ROUNDS, cancelled: ROUNDS, refused: ROUNDS })
    t.equal(value("requests_total"), tally.ok + tally.failed + tally.cancelled)
    t.equal(value("tokens_generated_total"), tally.tokens)
    t.equal(value('requests_finished_total{reason="stop"}'), tally.ok)
    t.equal(value('requests_finished_total{reason="error"}'), tally.failed)
    t.equal(value('requests_finished_total{reason="cancelled"}'), tally.cancelled)
    t.equal(value('errors_total{code="internal"}'), tally.failed)
    t.equal(value('http_responses_total{route="/v1/chat/completions",status="400"}'), tally.refused)
    t.equal(value("request_duration_seconds_count"), tally.ok)
    t.equal(value("time_to_first_token_seconds_count"), tally.ok)
    t.equal(value("queue_time_seconds_count"), tally.ok)
    t.equal(value("requests_active"), 0)
  })
