// Carries a WeightPlan out: reads this rank's slices of the tensors into the native engine. Knows no architecture.

import type { Checkpoint, NativeEngine, TensorSlice, WeightSource } from "mlx-jaccl-rs"
import { EngineError } from "../errors.ts"
import type { PlannedWeight, RankPosition, ShardRule, WeightPart, WeightPlan } from "./weight-plan.ts"

/** The part [from, to) of `units` that a rank holds. */
function share(
  units: number,
  { rank, size }: RankPosition,
  mayRepeat: boolean,
  name: string,
): readonly [number, number] {
  if (units % size === 0) return [(rank * units) / size, ((rank + 1) * units) / size]
  if (mayRepeat && size % units === 0) {
    const unit = Math.floor((rank * units) / size)
    return [unit, unit + 1]
  }
  throw new EngineError("model_unreadable", `${name} (${units} parts) cannot be split over ${size} ranks.`)
}

/** This rank's piece of one part. */
function shardSlice(part: WeightPart, rule: ShardRule, position: RankPosition): TensorSlice {
  const { name, rowStart, rows, columns, unit } = part
  const whole = { name, rowStart, rowEnd: rowStart + rows, columnStart: 0, columnEnd: -1 }
  if (position.size === 1 || rule === "replicated") return whole
  if (rule === "columns") {
    const [from, to] = part.share ?? share(columns, position, false, name)
    return { ...whole, columnStart: from, columnEnd: to }
  }
  if (part.share !== undefined) {
    return { ...whole, rowStart: rowStart + part.share[0], rowEnd: rowStart + part.share[1] }
  }
  const [from, to] = share(rows / unit, position, rule === "heads", name)
  return { ...whole, rowStart: rowStart + from * unit, rowEnd: rowStart + to * unit }
}

export function weightSource(planned: PlannedWeight, position: RankPosition): WeightSource {
  const parts = planned.parts.map((part) => shardSlice(part, planned.shard, position))
  const source = { parts, kind: planned.kind }
  return planned.quantization === null ? source : { ...source, quantization: planned.quantization }
}

/** Returns the bytes loaded. Frees what it loaded when it fails. */
export function loadWeights(engine: NativeEngine, checkpoint: Checkpoint, plan: WeightPlan): number {
  const loaded: number[] = []
  try {
    for (const planned of plan.weights) {
      engine.loadWeight(planned.weight, checkpoint, weightSource(planned, plan.position))
      loaded.push(planned.weight)
    }
    for (const { weight, values } of plan.computed) {
      engine.loadVector(weight, values)
      loaded.push(weight)
    }
  } catch (cause) {
    for (const weight of loaded) engine.freeWeight(weight)
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new EngineError("model_unreadable", `The weights cannot be loaded: ${reason}`, { cause })
  }
  return loaded.reduce((bytes, weight) => bytes + engine.weightBytes(weight), 0)
}
