// Probes of the links between the ranks, one pair after the other, while rank 0 has nothing else to do: a step that all
// ranks take together, as any other. Knows no request; a request waits for one probe at most.

import type { NativeEngine } from "mlx-jaccl-rs"
import type { StepMessage } from "./step-channel.ts"

/** What a probe found: two ranks sent each other so many bytes at the same time. */
export interface LinkProbeResult {
  readonly from: number
  readonly to: number
  readonly bytes: number
  /** Microseconds of each exchange, as the lower rank measured them. */
  readonly us: readonly number[]
}

export interface LinkProber {
  /** Does one probe if one is due. False: none was. */
  probe(nowUs: number): boolean
}

export type ProbeOrder = StepMessage & { kind: "probe" }

const LATENCY = { bytes: 4 * 1024, rounds: 8, everyUs: 10_000_000 }
const BANDWIDTH = { bytes: 4 * 1024 * 1024, rounds: 2, everyUs: 60_000_000 }
export function createLinkProber(
  size: number,
  run: (order: ProbeOrder) => readonly number[],
  found: (result: LinkProbeResult) => void,
): LinkProber {
  const ranks = Array.from({ length: size }, (_, rank) => rank)
  const pairs = ranks.flatMap((from) => ranks.slice(from + 1).map((to) => ({ from, to })))
  const rounds = [LATENCY, BANDWIDTH].map((kind) => ({ ...kind, dueUs: 0 }))
  let waiting: ProbeOrder[] = []

  return {
    probe(nowUs) {
      for (const kind of rounds) {
        if (nowUs < kind.dueUs) continue
        kind.dueUs = nowUs + kind.everyUs
        waiting = [...waiting, ...pairs.map((pair): ProbeOrder => ({ ...kind, ...pair, kind: "probe" }))]
      }
      const order = waiting.shift()
      if (order === undefined) return false
      found({ from: order.from, to: order.to, bytes: order.bytes, us: run(order) })
      return true
    },
  }
}

/** This rank's part of a probe; the figures are the lower rank's, and known to all. */
export function runProbe(engine: Pick<NativeEngine, "groupProbe">, { from, to, bytes, rounds }: ProbeOrder): number[] {
  return engine.groupProbe(from, to, bytes, rounds)
}
