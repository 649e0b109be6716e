// What the probes of the links say: latency with its spread, bandwidth, and whether a link has become much worse than it
// was. Knows no sockets; who probes is ts/engine.

/** One probe: the two ranks sent each other so many bytes at the same time, several times. */
export interface LinkProbe {
  readonly from: number
  readonly to: number
  readonly bytes: number
  /** Microseconds of each exchange. */
  readonly us: readonly number[]
}

export interface LinkFigures {
  /** Medians of the last probe. */
  readonly latencyUs: number | null
  readonly bandwidthBytesPerSecond: number | null
  /** Over the exchanges of the last probes. */
  readonly latencyP50Us: number | null
  readonly latencyP99Us: number | null
  readonly lastProbeMs: number | null
  /** Of all probes so far, those of earlier meetings too. */
  readonly bestBytesPerSecond: number | null
  /** What has become worse, for a person; null: nothing. */
  readonly degraded: string | null
}

export interface LinkHealth {
  record(probe: LinkProbe, nowMs: number): void
  figures(from: number, to: number, nowMs: number): LinkFigures
  /** The ranks have met anew: what was measured before counts for the comparison only. */
  reset(): void
}

/** Larger exchanges measure bandwidth, smaller ones latency. */
const BANDWIDTH_BYTES = 1024 * 1024
/** Exchanges that the percentiles are over: an hour of probes has some 3,000. */
const SAMPLES = 512
/** A link is judged by the median of so many probes, so that one busy moment is not a fault. */
const JUDGED_PROBES = 3
/** So much slower than at its best a link is degraded. */
const LATENCY_FACTOR = 4
/** ... and by no less than this: below it the processor's own moods are measured. */
const LATENCY_EXCESS_US = 500
const BANDWIDTH_SHARE = 0.5

interface Entry {
  latencies: number[]
  latencyMedians: number[]
  bandwidths: number[]
  bestLatencyUs: number
  bestBandwidth: number
  probedMs: number | null
}

export function createLinkHealth(): LinkHealth {
  const entries = new Map<string, Entry>()
  const keyOf = (from: number, to: number) => `${Math.min(from, to)} ${Math.max(from, to)}`

  function judge(entry: Entry): string | null {
    const latency = percentile(entry.latencyMedians, 0.5)
    const bandwidth = percentile(entry.bandwidths, 0.5)
    const { bestLatencyUs: best } = entry
    if (entry.latencyMedians.length === JUDGED_PROBES && latency !== null) {
      if (latency > best * LATENCY_FACTOR && latency > best + LATENCY_EXCESS_US) {
        return `latency ${latency.toFixed(0)} µs, ${best.toFixed(0)} µs at its best`
      }
    }
    if (entry.bandwidths.length === JUDGED_PROBES && bandwidth !== null) {
      if (bandwidth < entry.bestBandwidth * BANDWIDTH_SHARE) {
        return `${gigabytes(bandwidth)} GB/s, ${gigabytes(entry.bestBandwidth)} GB/s at its best`
      }
    }
    return null
  }

  return {
    record({ from, to, bytes, us }, nowMs) {
      const median = percentile(us, 0.5)
      if (median === null || !(median > 0)) return
      const key = keyOf(from, to)
      const entry = entries.get(key) ?? newEntry()
      entries.set(key, entry)
      entry.probedMs = nowMs
      if (bytes < BANDWIDTH_BYTES) {
        entry.latencies = [...entry.latencies, ...us].slice(-SAMPLES)
        entry.latencyMedians = [...entry.latencyMedians, median].slice(-JUDGED_PROBES)
        entry.bestLatencyUs = Math.min(entry.bestLatencyUs, median)
      } else {
        const bandwidth = (bytes / median) * 1e6
        entry.bandwidths = [...entry.bandwidths, bandwidth].slice(-JUDGED_PROBES)
        entry.bestBandwidth = Math.max(entry.bestBandwidth, bandwidth)
      }
    },
    figures(from, to, nowMs) {
      const entry = entries.get(keyOf(from, to)) ?? newEntry()
      return {
        latencyUs: entry.latencyMedians.at(-1) ?? null,
        bandwidthBytesPerSecond: entry.bandwidths.at(-1) ?? null,
        latencyP50Us: percentile(entry.latencies, 0.5),
        latencyP99Us: percentile(entry.latencies, 0.99),
        bestBytesPerSecond: entry.bestBandwidth > 0 ? entry.bestBandwidth : null,
        lastProbeMs: entry.probedMs === null ? null : Math.max(0, Math.round(nowMs - entry.probedMs)),
        degraded: judge(entry),
      }
    },
    reset() {
      for (const entry of entries.values()) {
        entry.latencies = []
        entry.latencyMedians = []
        entry.bandwidths = []
        entry.probedMs = null
      }
    },
  }
}

function newEntry(): Entry {
  return {
    latencies: [],
    latencyMedians: [],
    bandwidths: [],
    bestLatencyUs: Number.POSITIVE_INFINITY,
    bestBandwidth: 0,
    probedMs: null,
  }
}

function percentile(values: readonly number[], share: number): number | null {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? null
}

function gigabytes(bytes: number): string {
  return (bytes / 1e9).toFixed(2)
}
