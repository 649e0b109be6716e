// Grouped-query attention over the KV store, with optional biases, per-head norms of q and k, and a sliding window.

import { NONE, type CommandBuffer, type HeadShape, type Register, type Weight } from "../models/command-buffer.ts"
import type { MatrixPart, WeightPlan } from "../models/weight-plan.ts"
import { describeLinear, linear, type Linear } from "./linear.ts"
import type { Rope } from "./rope.ts"

export interface Attention {
  readonly layer: number
  /** q | k | v */
  readonly input: Linear
  readonly output: Linear
  /** Of this rank. */
  readonly heads: HeadShape
  readonly qNorm: Weight
  readonly kNorm: Weight
  readonly normEps: number
  readonly rope: Rope
  readonly window: number
}

export interface AttentionOptions {
  readonly inputBias: boolean
  readonly outputBias: boolean
  readonly headNorms: boolean
}

export function describeAttention(plan: WeightPlan, layer: number, rope: Rope, options: AttentionOptions): Attention {
  const { hiddenSize, queryHeads, kvHeads, headDim, normEps, slidingWindow } = plan.config
  const { size } = plan.position
  const projection = (role: "q" | "k" | "v", heads: number): MatrixPart => {
    return { role, layer, rows: heads * headDim, unit: headDim }
  }
  const headNorm = (role: "qNorm" | "kNorm"): Weight =>
    options.headNorms ? plan.vector([{ role, layer, rows: headDim }], "replicated") : NONE
  return {
    layer,
    input: describeLinear(plan, {
      parts: [projection("q", queryHeads), projection("k", kvHeads), projection("v", kvHeads)],
      inputs: hiddenSize,
      shard: "heads",
      bias: options.inputBias,
    }),
    output: describeLinear(plan, {
      parts: [{ role: "o", layer, rows: hiddenSize }],
      inputs: queryHeads * headDim,
      shard: "columns",
      bias: options.outputBias,
    }),
    heads: { queryHeads: queryHeads / size, kvHeads: Math.max(1, kvHeads / size), headDim },
    qNorm: headNorm("qNorm"),
    kNorm: headNorm("kNorm"),
    normEps,
    rope,
    window: slidingWindow ?? 0,
  }
}

/** residual + attention(x). */
export function attention(buffer: CommandBuffer, layer: Attention, x: Register, residual: Register): Register {
  const { rope, heads } = layer
  const { q, order } = buffer.ropeAppend(linear(buffer, layer.input, x), {
    ...heads,
    layer: layer.layer,
    ropeDims: rope.dims,
    ropeMode: rope.mode,
    frequencies: rope.frequencies,
    ropeScale: rope.scale,
    qNorm: layer.qNorm,
    kNorm: layer.kNorm,
    normEps: layer.normEps,
    normOffset: 0,
  })
  const mixed = buffer.attend(q, order, {
    ...heads,
    layer: layer.layer,
    scale: 1 / Math.sqrt(heads.headDim),
    window: layer.window,
    softcap: 0,
    sinks: NONE,
  })
  return linear(buffer, layer.output, mixed, residual)
}
