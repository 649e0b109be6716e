// One measure's distribution: a Prometheus histogram with fixed buckets, and exact percentiles beside it (hdr-histogram,
// 3 digits). Latencies are recorded in milliseconds and told in seconds, speeds in tokens a second.

import { build, encodeIntoCompressedBase64, type Histogram } from "hdr-histogram-js"

export interface Percentiles {
  readonly p50: number
  readonly p90: number
  readonly p99: number
}

export interface Distribution {
  /** In the unit of recording. */
  record(value: number): void
  readonly count: number
  /** In the unit of the buckets. */
  readonly sum: number
  /** Upper bounds, and how many values each bound holds (cumulative; without +Inf). */
  readonly buckets: readonly (readonly [bound: number, count: number])[]
  /** In the unit of recording; null while nothing is recorded. */
  percentiles(): Percentiles | null
  /** All values as an HdrHistogram in its V2 compressed form, base64; one of its units is 1/1000 of a recorded one. */
  encoded(): string
}

/** Latencies in seconds: OpenTelemetry's GenAI conventions, and what they leave open. */
export const BUCKETS = {
  firstToken: [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
  betweenTokens: [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5],
  request: [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92],
  step: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5],
  collective: [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1],
  /** Tokens a second. */
  prefillSpeed: [10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000],
  decodeSpeed: [1, 2.5, 5, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200, 300, 500, 1000],
} as const

/** Steps of the exact histogram in one recorded unit. */
const STEPS = 1000
/** An hour in milliseconds, or as many tokens a second. */
const HIGHEST = 3_600_000

const MS_PER_SECOND = 1000

/** Recorded in milliseconds; sum and bounds are in seconds. */
export const createLatency = (bounds: readonly number[]): Distribution => createDistribution(bounds, MS_PER_SECOND)
/** Recorded, summed and bounded in tokens a second. */
export const createSpeed = (bounds: readonly number[]): Distribution => createDistribution(bounds, 1)

/** `unit`: how many recorded units one unit of the bounds has. */
function createDistribution(bounds: readonly number[], unit: number): Distribution {
  const counts = new Float64Array(bounds.length + 1)
  const exact: Histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: HIGHEST * STEPS,
    numberOfSignificantValueDigits: 3,
    bitBucketSize: 32,
  })
  let count = 0
  let sum = 0

  return {
    record(value) {
      const inBounds = Math.max(0, value) / unit
      count++
      sum += inBounds
      const found = bounds.findIndex((bound) => inBounds <= bound)
      const index = found < 0 ? bounds.length : found
      counts[index] = (counts[index] ?? 0) + 1
      exact.recordValue(Math.min(HIGHEST * STEPS, Math.max(1, Math.round(value * STEPS))))
    },
    get count() {
      return count
    },
    get sum() {
      return sum
    },
    get buckets() {
      let total = 0
      return bounds.map((bound, index) => [bound, (total += counts[index] ?? 0)] as const)
    },
    percentiles() {
      if (count === 0) return null
      const at = (percent: number) => exact.getValueAtPercentile(percent) / STEPS
      return { p50: at(50), p90: at(90), p99: at(99) }
    },
    encoded: () => encodeIntoCompressedBase64(exact),
  }
}
