// What this server has counted since it started: totals, latencies, the newest requests and errors. Lives in the front,
// so it survives restarts of the engine. Knows no wire format.

import type { ErrorView, RequestView } from "../dashboard/index.ts"
import type { FinishReason, GenerationTimes, Usage } from "../engine/index.ts"
import { createLatency, LATENCY_BUCKETS, type Latency } from "./latency.ts"
import { LIMITS } from "./limits.ts"
import { createRateHistory } from "./rate-history.ts"
import { createRingLog } from "./ring-log.ts"

export type Outcome = FinishReason | "error" | "cancelled"

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
  readonly latencies: {
    readonly firstToken: Latency
    readonly betweenTokens: Latency
    readonly request: Latency
    readonly queue: Latency
  }
  begin(id: string, kind: string): RequestRecord
  countResponse(route: string, status: number): void
  logError(code: string, message: string, requestId: string | null): void
  /** Tokens in each of the last 60 complete seconds, oldest first. */
  history(): number[]
  peakTps(): number
  /** Mean end-to-end seconds of the requests that ended in the last minute; 0 if none. */
  meanLatencySeconds(): number
  /** Newest first. */
  requestLog(): RequestView[]
  errorLog(): ErrorView[]
}

/** The life of one HTTP request that generates. `end` is idempotent. */
export interface RequestRecord {
  promptTokens(count: number): void
  started(cachedTokens: number): void
  tokens(count: number): void
  finished(reason: FinishReason): void
  slowReader(): void
  end(result: { usage: Usage; times: readonly GenerationTimes[] } | { failed: "error" | "cancelled" }): void
}

export interface MetricsClock {
  /** Monotonic milliseconds. */
  now(): number
  /** Unix milliseconds. */
  date(): number
}

export function createMetrics(clock: MetricsClock = { now: () => performance.now(), date: () => Date.now() }): Metrics {
  const tokenRate = createRateHistory(LIMITS.historySeconds)
  const requestRate = createRateHistory(LIMITS.historySeconds)
  const latencyRate = createRateHistory(LIMITS.historySeconds)
  const requestLog = createRingLog<RequestView>(LIMITS.requestHistory)
  const errorLog = createRingLog<ErrorView>(LIMITS.errorHistory)
  const outcomes = new Map<Outcome, number>()
  const responses = new Map<string, number>()
  const errorCodes = new Map<string, number>()
  const latencies = {
    firstToken: createLatency(LATENCY_BUCKETS.firstToken),
    betweenTokens: createLatency(LATENCY_BUCKETS.betweenTokens),
    request: createLatency(LATENCY_BUCKETS.request),
    queue: createLatency(LATENCY_BUCKETS.request),
  }
  const startedMs = clock.now()
  const totals = { requests: 0, running: 0, completionTokens: 0, promptTokens: 0, cachedTokens: 0, slowReaders: 0 }
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)

  const begin = (id: string, kind: string): RequestRecord => {
    const time = clock.date()
    const beganMs = clock.now()
    let open = true
    let promptTokens = 0
    let cachedTokens = 0
    let completionTokens = 0
    let firstTokenMs: number | null = null
    let lastTokenMs = 0
    let reason: FinishReason | null = null
    totals.requests++
    totals.running++

    return {
      promptTokens(count) {
        promptTokens += count
      },
      started(cached) {
        cachedTokens += cached
      },
      tokens(count) {
        const nowMs = clock.now()
        tokenRate.add(count, nowMs)
        completionTokens += count
        totals.completionTokens += count
        if (firstTokenMs === null) {
          firstTokenMs = nowMs - beganMs
          latencies.firstToken.record(firstTokenMs)
        } else latencies.betweenTokens.record(nowMs - lastTokenMs)
        lastTokenMs = nowMs
      },
      finished(next) {
        reason = next
      },
      slowReader() {
        totals.slowReaders++
      },
      end(result) {
        if (!open) return
        open = false
        totals.running--
        const nowMs = clock.now()
        const latencyMs = nowMs - beganMs
        if ("usage" in result) {
          promptTokens = result.usage.promptTokens
          cachedTokens = result.usage.cachedTokens
          // Tokens without text of their own (end of turn, a cut stop string) are known only now.
          totals.completionTokens += Math.max(0, result.usage.completionTokens - completionTokens)
          completionTokens = result.usage.completionTokens
          for (const times of result.times) latencies.queue.record(times.queuedMs)
        }
        totals.promptTokens += promptTokens
        totals.cachedTokens += cachedTokens
        const outcome: Outcome = "failed" in result ? result.failed : (reason ?? "stop")
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
        if (outcome !== "cancelled" && outcome !== "error") {
          latencies.request.record(latencyMs)
          requestRate.add(1, nowMs)
          latencyRate.add(latencyMs / 1000, nowMs)
        }
        const decodeMs = firstTokenMs === null ? 0 : lastTokenMs - beganMs - firstTokenMs
        const slow = firstTokenMs !== null && firstTokenMs > LIMITS.slowFirstTokenMs
        requestLog.push({
          id,
          time,
          kind,
          prompt_tokens: promptTokens,
          cached_tokens: cachedTokens,
          completion_tokens: completionTokens,
          ttft_ms: firstTokenMs,
          latency_ms: latencyMs,
          generation_tps: decodeMs > 0 && completionTokens > 1 ? ((completionTokens - 1) * 1000) / decodeMs : null,
          status: "failed" in result ? result.failed : slow ? "slow" : "ok",
          finish_reason: "failed" in result ? null : reason,
        })
      },
    }
  }

  return {
    startedMs,
    get requests() {
      return totals.requests
    },
    get running() {
      return totals.running
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
    begin,
    countResponse(route, status) {
      const key = `${route} ${status}`
      responses.set(key, (responses.get(key) ?? 0) + 1)
    },
    logError(code, message, requestId) {
      errorCodes.set(code, (errorCodes.get(code) ?? 0) + 1)
      errorLog.push({ time: clock.date(), code, message, request_id: requestId })
    },
    history: () => tokenRate.seconds(clock.now()),
    peakTps: () => tokenRate.peak(clock.now()),
    meanLatencySeconds() {
      const nowMs = clock.now()
      const count = sum(requestRate.seconds(nowMs))
      return count === 0 ? 0 : sum(latencyRate.seconds(nowMs)) / count
    },
    requestLog: () => requestLog.list().toReversed(),
    errorLog: () => errorLog.list().toReversed(),
  }
}
