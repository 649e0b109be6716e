// The distributions of the metrics as they go to watchers over WebSocket: whole HdrHistograms, which a watcher can merge
// and ask for any percentile. Those that have not changed are not packed again.

import type { Distribution } from "./distribution.ts"
import type { Metrics } from "./metrics.ts"

export interface HistogramView {
  /** "ms" or "tokens/s". */
  readonly unit: string
  readonly count: number
  /** HdrHistogram V2, compressed, base64; one of its units is 1/1000 of `unit`. */
  readonly hdr: string
}

/** Gives all of them at each call, by name. */
export function createHistograms({ latencies, speeds }: Metrics): () => Readonly<Record<string, HistogramView>> {
  const sources: readonly (readonly [name: string, unit: string, measure: Distribution])[] = [
    ["time_to_first_token", "ms", latencies.firstToken],
    ["inter_token", "ms", latencies.betweenTokens],
    ["request", "ms", latencies.request],
    ["queue", "ms", latencies.queue],
    ["prefill", "ms", latencies.prefill],
    ["step", "ms", latencies.step],
    ["collective", "ms", latencies.collective],
    ["prefill_speed", "tokens/s", speeds.prefill],
    ["decode_speed", "tokens/s", speeds.decode],
  ]
  const kept = new Map<string, HistogramView>()
  return () => {
    for (const [name, unit, measure] of sources) {
      if (kept.get(name)?.count === measure.count) continue
      kept.set(name, { unit, count: measure.count, hdr: measure.encoded() })
    }
    return Object.fromEntries(kept)
  }
}
