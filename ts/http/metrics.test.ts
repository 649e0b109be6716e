import t from "tap"
import { createLatency } from "./distribution.ts"
import { LIMITS } from "./limits.ts"
import { createMetrics } from "./metrics.ts"
import { createRateHistory } from "./rate-history.ts"

function fakeClock() {
  const clock = { ms: 0, now: () => clock.ms, date: () => 1_700_000_000_000 + clock.ms }
  return clock
}
const done = (completionTokens: number) => ({
  usage: { promptTokens: 10, cachedTokens: 4, completionTokens, reasoningTokens: 0 },
  times: [{ queuedMs: 5, prefillMs: 95, firstTokenMs: 100, totalMs: 300 }],
})

t.test("a rate history gives complete seconds, oldest first, and forgets what is older", (t) => {
  const rate = createRateHistory(3)
  rate.add(1, 500)
  rate.add(2, 1500)
  rate.add(4, 1900)
  t.same(rate.seconds(1999), [0, 0, 1], "the running second is not shown")
  t.same(rate.seconds(2000), [0, 1, 6])
  t.same(rate.seconds(4000), [6, 0, 0])
  t.same(rate.seconds(4_000_000), [0, 0, 0])
  t.equal(rate.peak(4_000_000), 6)
  t.end()
})

t.test("a latency keeps cumulative buckets and percentiles", (t) => {
  const latency = createLatency([0.01, 0.1, 1])
  t.equal(latency.percentiles(), null)
  for (const ms of [5, 10, 50, 5000]) latency.record(ms)
  t.same(latency.buckets, [
    [0.01, 2],
    [0.1, 3],
    [1, 3],
  ])
  t.equal(latency.count, 4)
  t.ok(Math.abs(latency.sum - 5.065) < 1e-9)
  t.ok(Math.abs((latency.percentiles()?.p99 ?? 0) - 5000) < 10)
  t.end()
})

t.test("a request's record gives its times, and its tokens are counted while they come", (t) => {
  const clock = fakeClock()
  const metrics = createMetrics(clock)
  const record = metrics.begin("chatcmpl-1", "chat")
  t.equal(metrics.running, 1)
  record.promptTokens(10)
  record.started(4)
  for (const at of [100, 200, 300]) {
    clock.ms = at
    record.tokens(1)
  }
  t.equal(metrics.completionTokens, 3)
  record.finished("length")
  clock.ms = 400
  record.end(done(4))
  record.end({ failed: "error" })
  t.equal(metrics.completionTokens, 4, "the last token had no text")
  t.match(metrics.requestLog(), [
    {
      id: "chatcmpl-1",
      prompt_tokens: 10,
      cached_tokens: 4,
      completion_tokens: 4,
      ttft_ms: 100,
      latency_ms: 400,
      generation_tps: 15,
      status: "ok",
      finish_reason: "length",
    },
  ])
  t.same([metrics.running, metrics.requests, metrics.promptTokens, metrics.cachedTokens], [0, 1, 10, 4])
  t.same([...metrics.outcomes], [["length", 1]])
  t.same(
    Object.values(metrics.latencies).map((latency) => latency.count),
    [1, 2, 1, 1, 1, 0, 0],
  )
  t.end()
})

t.test("a slow first token, an error and a cancel show in the history, which is bounded", (t) => {
  const clock = fakeClock()
  const metrics = createMetrics(clock)
  const slow = metrics.begin("slow", "chat")
  clock.ms = LIMITS.slowFirstTokenMs + 1
  slow.tokens(1)
  slow.end(done(1))
  metrics.begin("bad", "chat").end({ failed: "error" })
  metrics.begin("gone", "chat").end({ failed: "cancelled" })
  t.match(
    metrics.requestLog().map(({ id, status }) => `${id} ${status}`),
    ["gone cancelled", "bad error", "slow slow"],
  )
  for (let index = 0; index < LIMITS.requestHistory + 5; index++) metrics.begin(`r${index}`, "chat").end(done(0))
  t.equal(metrics.requestLog().length, LIMITS.requestHistory)
  for (let index = 0; index < LIMITS.errorHistory + 5; index++) metrics.logError("internal", `e${index}`, null)
  t.equal(metrics.errorLog().length, LIMITS.errorHistory)
  t.equal(metrics.errorLog()[0]?.message, `e${LIMITS.errorHistory + 4}`)
  t.end()
})

t.test("a request that runs shows how far it is, and its timeline stays when it has ended", (t) => {
  const clock = fakeClock()
  const ended: string[] = []
  const metrics = createMetrics(clock, (request) => ended.push(request.id))
  const record = metrics.begin("a", "chat", "Why is")
  t.match(metrics.runningRequests(), [{ id: "a", status: "queued", timeline: { queued_ms: null } }])
  clock.ms = 3
  record.promptTokens(10)
  clock.ms = 20
  record.started(4)
  t.match(metrics.runningRequests(), [{ status: "running", timeline: { queued_ms: 3, prefill_ms: 20, end_ms: null } }])
  clock.ms = 50
  record.tokens(1)
  clock.ms = 150
  record.tokens(1)
  const times = { queuedMs: 20, prefillMs: 30, firstTokenMs: 50, totalMs: 150 }
  record.end({ usage: { promptTokens: 10, cachedTokens: 4, completionTokens: 2, reasoningTokens: 0 }, times: [times] })
  t.same(metrics.runningRequests(), [])
  t.match(metrics.requestLog(), [
    {
      prompt: "Why is",
      prefill_tps: 200,
      generation_tps: 10,
      timeline: { queued_ms: 3, prefill_ms: 20, first_token_ms: 50, end_ms: 150 },
    },
  ])
  clock.ms = 2000
  t.equal(metrics.prefillTps(), 200, "six of ten tokens were computed, in 30 ms")
  t.equal(metrics.decodeTps(), 10)
  t.same(ended, ["a"])
  metrics.logError("rank_lost", "A rank was lost.", null, "ended by SIGKILL")
  t.match(metrics.errorLog(), [{ cause: "ended by SIGKILL", cure: /starts again by itself/ }])
  t.end()
})
