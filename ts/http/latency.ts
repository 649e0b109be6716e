// One latency: a Prometheus histogram with fixed buckets, and exact percentiles beside it (hdr-histogram, 3 digits).

import { build, type Histogram } from "hdr-histogram-js"

export interface Latency {
  /** Milliseconds. */
  record(ms: number): void
  readonly count: number
  readonly sumSeconds: number
  /** Upper bounds in seconds, and how many values each bound holds (cumulative; without +Inf). */
  readonly buckets: readonly (readonly [seconds: number, count: number])[]
  /** Milliseconds; null while nothing is recorded. */
  percentiles(): { readonly p50: number; readonly p90: number; readonly p99: number } | null
}

/** OpenTelemetry's GenAI conventions, in seconds. */
export const LATENCY_BUCKETS = {
  firstToken: [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
  betweenTokens: [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5],
  request: [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92],
} as const

const MICROSECONDS = 1000
const HIGHEST_US = 3_600_000_000

export function createLatency(bounds: readonly number[]): Latency {
  const counts = new Float64Array(bounds.length + 1)
  const exact: Histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: HIGHEST_US,
    numberOfSignificantValueDigits: 3,
    bitBucketSize: 32,
  })
  let count = 0
  let sumSeconds = 0

  return {
    record(ms) {
      const seconds = Math.max(0, ms) / 1000
      count++
      sumSeconds += seconds
      const found = bounds.findIndex((bound) => seconds <= bound)
      const index = found < 0 ? bounds.length : found
      counts[index] = (counts[index] ?? 0) + 1
      exact.recordValue(Math.min(HIGHEST_US, Math.max(1, Math.round(ms * MICROSECONDS))))
    },
    get count() {
      return count
    },
    get sumSeconds() {
      return sumSeconds
    },
    get buckets() {
      let sum = 0
      return bounds.map((bound, index) => [bound, (sum += counts[index] ?? 0)] as const)
    },
    percentiles() {
      if (count === 0) return null
      const at = (percent: number) => exact.getValueAtPercentile(percent) / MICROSECONDS
      return { p50: at(50), p90: at(90), p99: at(99) }
    },
  }
}
