// What this server has counted since it started: totals, latencies, the newest requests and errors. Lives in the front,
// so it survives restarts of the engine. Knows no wire format.

import { createCollectiveCounter, type CollectiveTotals } from "./collective-totals.ts"
import type { ErrorView, RequestView } from "../dashboard/index.ts"
import type { StepWork } from "../engine/index.ts"
import { cureOf } from "./error-cures.ts"
import { BUCKETS, createLatency, createSpeed, type Distribution } from "./distribution.ts"
import { LIMITS } from "./limits.ts"
import { createRateHistory } from "./rate-history.ts"
import {
  createRequestRecord,
  type Outcome,
  type RecordListener,
  type RequestFacts,
  type RequestRecord,
} from "./request-record.ts"
import { createRingLog } from "./ring-log.ts"

export interface Metrics {
  readonly startedMs: number
  readonly requests: number
  readonly running: number
  readonly completionTokens: number
  readonly promptTokens: number
  readonly cachedTokens: number
  readonly slowReaders: number
  readonly outcomes: ReadonlyMap<Outcome, number>
  /** Answers by "route status". */
  readonly responses: ReadonlyMap<string, number>
  readonly errorCodes: ReadonlyMap<string, number>
  /** Milliseconds. Of requests that went well, but for steps and collectives, which are the token half's. */
  readonly latencies: {
    readonly firstToken: Distribution
    readonly betweenTokens: Distribution
    readonly request: Distribution
    readonly queue: Distribution
    readonly prefill: Distribution
    readonly step: Distribution
    /** What a step spent in collectives. */
    readonly collective: Distribution
  }
  /** Tokens a second of each request that went well: prompt tokens computed, tokens after the first. */
  readonly speeds: { readonly prefill: Distribution; readonly decode: Distribution }
  /** Collectives of the token half that runs now; null while none has told of any. */
  readonly collectives: CollectiveTotals | null
  /** What steps took, as the engine tells it. */
  countWork(work: StepWork): void
  begin(id: string, kind: string, prompt?: string | null): RequestRecord
  countResponse(route: string, status: number): void
  logError(code: string, message: string, requestId: string | null, cause?: string | null): void
  /** Tokens in each of the last 60 complete seconds, oldest first. */
  history(): number[]
  peakTps(): number
  /** Mean end-to-end seconds of the requests that ended in the last minute; 0 if none. */
  meanLatencySeconds(): number
  /** Prompt tokens computed a second of prefill, over the requests that ended in the last minute; null if none. */
  prefillTps(): number | null
  /** Tokens a second of one stream after its first token, over the requests that ended in the last minute. */
  decodeTps(): number | null
  /** Requests that have not ended, newest first. */
  runningRequests(): RequestView[]
  /** Those that have ended, newest first. */
  requestLog(): RequestView[]
  errorLog(): ErrorView[]
}

export interface MetricsClock {
  /** Monotonic milliseconds. */
  now(): number
  /** Unix milliseconds. */
  date(): number
}

const SYSTEM_CLOCK: MetricsClock = { now: () => performance.now(), date: () => Date.now() }

/** `ended` is told of every request at its end. */
export function createMetrics(
  clock: MetricsClock = SYSTEM_CLOCK,
  ended: (request: RequestView) => void = () => {},
): Metrics {
  const minute = () => createRateHistory(LIMITS.historySeconds)
  const [tokenRate, requestRate, latencyRate] = [minute(), minute(), minute()]
  const prefillRate = { tokens: minute(), ms: minute() }
  const decodeRate = { tokens: minute(), ms: minute() }
  const requestLog = createRingLog<RequestView>(LIMITS.requestHistory)
  const errorLog = createRingLog<ErrorView>(LIMITS.errorHistory)
  const running = new Map<RequestFacts, { view(): RequestView }>()
  const outcomes = new Map<Outcome, number>()
  const responses = new Map<string, number>()
  const errorCodes = new Map<string, number>()
  const latencies = {
    firstToken: createLatency(BUCKETS.firstToken),
    betweenTokens: createLatency(BUCKETS.betweenTokens),
    request: createLatency(BUCKETS.request),
    queue: createLatency(BUCKETS.request),
    prefill: createLatency(BUCKETS.request),
    step: createLatency(BUCKETS.step),
    collective: createLatency(BUCKETS.collective),
  }
  const speeds = { prefill: createSpeed(BUCKETS.prefillSpeed), decode: createSpeed(BUCKETS.decodeSpeed) }
  const collectives = createCollectiveCounter()
  const startedMs = clock.now()
  const totals = { requests: 0, completionTokens: 0, promptTokens: 0, cachedTokens: 0, slowReaders: 0 }
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)
  const perSecond = (rate: typeof prefillRate) => {
    const nowMs = clock.now()
    const ms = sum(rate.ms.seconds(nowMs))
    return ms > 0 ? (sum(rate.tokens.seconds(nowMs)) * 1000) / ms : null
  }

  const listenerOf = (facts: RequestFacts): RecordListener => ({
    tokens(count, nowMs, sinceLastMs, firstMs) {
      tokenRate.add(count, nowMs)
      totals.completionTokens += count
      if (sinceLastMs === null) latencies.firstToken.record(firstMs)
      else latencies.betweenTokens.record(sinceLastMs)
    },
    slowReader() {
      totals.slowReaders++
    },
    ended({ view, outcome, lateTokens, times, prefill, decode }, nowMs) {
      running.delete(facts)
      totals.completionTokens += lateTokens
      totals.promptTokens += view.prompt_tokens
      totals.cachedTokens += view.cached_tokens
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
      for (const { queuedMs, prefillMs } of times) {
        latencies.queue.record(queuedMs)
        latencies.prefill.record(prefillMs)
      }
      for (const [rate, work] of [
        [prefillRate, prefill],
        [decodeRate, decode],
      ] as const) {
        if (work === null) continue
        rate.tokens.add(work.tokens, nowMs)
        rate.ms.add(work.ms, nowMs)
      }
      if (prefill !== null) speeds.prefill.record((prefill.tokens * 1000) / prefill.ms)
      if (decode !== null && times.length > 0) speeds.decode.record((decode.tokens * 1000) / decode.ms)
      if (outcome !== "cancelled" && outcome !== "error") {
        latencies.request.record(view.latency_ms)
        requestRate.add(1, nowMs)
        latencyRate.add(view.latency_ms / 1000, nowMs)
      }
      requestLog.push(view)
      ended(view)
    },
  })

  return {
    startedMs,
    get requests() {
      return totals.requests
    },
    get running() {
      return running.size
    },
    get completionTokens() {
      return totals.completionTokens
    },
    get promptTokens() {
      return totals.promptTokens
    },
    get cachedTokens() {
      return totals.cachedTokens
    },
    get slowReaders() {
      return totals.slowReaders
    },
    outcomes,
    responses,
    errorCodes,
    latencies,
    speeds,
    get collectives() {
      return collectives.read(clock.now())
    },
    countWork(work) {
      for (const us of work.stepUs) latencies.step.record(us / 1000)
      for (const us of work.collectiveUs) latencies.collective.record(us / 1000)
      collectives.update(work, clock.now())
    },
    begin(id, kind, prompt = null) {
      const facts: RequestFacts = { id, kind, prompt, time: clock.date() }
      const record = createRequestRecord(facts, () => clock.now(), listenerOf(facts))
      totals.requests++
      running.set(facts, record)
      return record
    },
    countResponse(route, status) {
      const key = `${route} ${status}`
      responses.set(key, (responses.get(key) ?? 0) + 1)
    },
    logError(code, message, requestId, cause = null) {
      errorCodes.set(code, (errorCodes.get(code) ?? 0) + 1)
      errorLog.push({ time: clock.date(), code, message, request_id: requestId, cause, cure: cureOf(code) })
    },
    history: () => tokenRate.seconds(clock.now()),
    peakTps: () => tokenRate.peak(clock.now()),
    meanLatencySeconds() {
      const nowMs = clock.now()
      const count = sum(requestRate.seconds(nowMs))
      return count === 0 ? 0 : sum(latencyRate.seconds(nowMs)) / count
    },
    prefillTps: () => perSecond(prefillRate),
    decodeTps: () => perSecond(decodeRate),
    runningRequests: () => [...running.values()].map((record) => record.view()).toReversed(),
    requestLog: () => requestLog.list().toReversed(),
    errorLog: () => errorLog.list().toReversed(),
  }
}
