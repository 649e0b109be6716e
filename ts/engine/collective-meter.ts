// What the native engine says of its collectives, as the statistics of the token half carry it.

import type { NativeEngine } from "mlx-jaccl-rs"
import type { StepWork } from "./link.ts"

/** Steps between two reports at most; of more, the newest are told. */
const STEPS = 8192

export interface CollectiveMeter {
  /** The steps that ended since the last call, and the totals. */
  take(): Pick<StepWork, "collectiveUs" | "collectives">
}

export function createCollectiveMeter(engine: Pick<NativeEngine, "collectives">): CollectiveMeter {
  const room = new Float32Array(STEPS)
  return {
    take() {
      const { steps, operations, bytes, microseconds } = engine.collectives(room)
      const collectiveUs = Array.from(room.subarray(0, steps), Math.round)
      return { collectiveUs, collectives: { operations, bytes, microseconds } }
    },
  }
}
