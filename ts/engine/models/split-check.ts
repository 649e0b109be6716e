// Whether a model can be split over a number of ranks, told before anything is read: every slice of a quantized matrix
// must begin and end where a group of its weights does. Reads no tensor.

import type { TensorInfo } from "mlx-jaccl-rs"
import { EngineError } from "../errors.ts"
import { weightSource } from "./weight-loader.ts"
import type { PlannedWeight, RankPosition, WeightPlan } from "./weight-plan.ts"

/** A hostfile has no more hosts. */
const MOST_RANKS = 4
/** Elements of a block of GGUF's quantized types. */
const GGUF_BLOCK = 32
const DENSE: readonly string[] = ["F32", "F16", "BF16"]

/** Throws EngineError "model_unreadable" that says why not, and how many ranks work. `plan` describes one rank's weights. */
export function checkSplit(
  plan: (position: RankPosition) => WeightPlan,
  tensors: readonly TensorInfo[],
  position: RankPosition,
): void {
  if (position.size === 1) return
  const types = new Map(tensors.map(({ name, dtype }) => [name, dtype]))
  const problemOf = (size: number, weights: readonly number[] | undefined): string | null => {
    for (let rank = 0; rank < size; rank++) {
      const problem = problemIn(plan({ rank, size, weights }), types)
      if (problem !== null) return problem
    }
    return null
  }
  const problem = problemOf(position.size, position.weights)
  if (problem === null) return
  const even = Array.from({ length: MOST_RANKS }, (_, i) => i + 1).filter((size) => problemOf(size, undefined) === null)
  const shares = position.weights === undefined ? "" : ` in shares of ${position.weights.join(" : ")}`
  const others = even.length === 1 ? "one rank only" : `${even.slice(0, -1).join(", ")} or ${even.at(-1)} ranks`
  throw new EngineError(
    "model_unreadable",
    `This model cannot be split over ${position.size} ranks${shares}: ${problem}. It runs on ${others}${even.length > 1 ? " with even shares" : ""}.`,
  )
}

function problemIn(plan: WeightPlan, types: ReadonlyMap<string, string>): string | null {
  for (const planned of plan.weights) {
    const { parts } = weightSource(planned, plan.position)
    for (const [i, { name, rowStart, rowEnd, columnStart, columnEnd }] of parts.entries()) {
      const group = groupOf(planned, types.get(name) ?? "")
      const columns = planned.parts[i]?.columns ?? 0
      const end = columnEnd < 0 ? columns : columnEnd
      if (rowEnd >= 0 && rowEnd <= rowStart) return `${name} has too few rows for a rank of its own`
      if (end <= columnStart) return `${name} has too few columns for a rank of its own`
      if (columnStart % group !== 0 || end % group !== 0) {
        return `${name} is quantized in groups of ${group} inputs, and a rank's share of them would be ${columnStart} to ${end}`
      }
    }
  }
  return null
}

function groupOf({ kind, quantization }: PlannedWeight, dtype: string): number {
  if (kind === "vector" || DENSE.includes(dtype)) return 1
  return quantization?.groupSize ?? GGUF_BLOCK
}
