// Matrix products whose weights are joined along the outputs (q|k|v, gate|up) where the checkpoint's formats agree.

import { NONE, type CommandBuffer, type Register, type Weight } from "../models/command-buffer.ts"
import type { MatrixPart, ShardRule, WeightPlan } from "../models/weight-plan.ts"

export interface Linear {
  /** One; or, where formats differ, several whose outputs are joined. */
  readonly pieces: readonly { readonly weight: Weight; readonly bias: Weight }[]
  /** Each rank holds a share of the inputs, and its product is a summand. */
  readonly partial: boolean
  /** False: the summand of this rank is that of another, and is left out of the sum. */
  readonly counts: boolean
}

export interface LinearOptions {
  readonly parts: readonly MatrixPart[]
  readonly inputs: number
  readonly shard: ShardRule
  readonly bias?: boolean
  readonly counts?: boolean
}

export function describeLinear(plan: WeightPlan, options: LinearOptions): Linear {
  const { parts, inputs, shard, bias = false, counts = true } = options
  const byInputs = shard === "columns"
  const pieces = plan.matrices(parts, inputs, shard).map((piece) => {
    const vector = bias ? plan.vector(piece.parts, byInputs ? "replicated" : shard, "bias") : NONE
    // A sum over ranks takes the bias once: the first rank adds it.
    return { weight: piece.weight, bias: byInputs && plan.position.rank > 0 ? NONE : vector }
  })
  return { pieces, partial: byInputs && plan.position.size > 1, counts }
}

/** x . weight^T + bias + residual. */
export function linear(buffer: CommandBuffer, layer: Linear, x: Register, residual: Register = NONE): Register {
  const first = layer.pieces[0]
  if (first !== undefined && layer.pieces.length === 1 && !layer.partial) {
    return buffer.linear(x, first.weight, first.bias, residual)
  }
  const outputs = layer.pieces.map(({ weight, bias }) => buffer.linear(x, weight, bias))
  const [only = NONE] = outputs
  const whole = outputs.length === 1 ? only : buffer.concat(outputs)
  const summed = layer.partial ? buffer.allSum(layer.counts ? whole : buffer.scale(whole, 0)) : whole
  return residual === NONE ? summed : buffer.add(residual, summed)
}
