// Grouped-query attention over the KV store, with optional biases, per-head norms of q and k, and a sliding window.

import {
  type AttendOptions,
  type CommandBuffer,
  NONE,
  type Register,
  type RopeAppendOptions,
  type Weight,
} from "../models/command-buffer.ts"
import type { MatrixPart, WeightPlan } from "../models/weight-plan.ts"
import { describeLinear, linear, type Linear } from "./linear.ts"
import type { Rope } from "./rope.ts"

export interface Attention {
  /** q | k | v */
  readonly input: Linear
  readonly output: Linear
  /** Made once: the forward pass of a step makes no objects. */
  readonly rope: RopeAppendOptions
  readonly attend: AttendOptions
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
  const shared = { layer, queryHeads: queryHeads / size, kvHeads: Math.max(1, kvHeads / size), headDim }
  return {
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
    rope: {
      ...shared,
      ropeDims: rope.dims,
      ropeMode: rope.mode,
      frequencies: rope.frequencies,
      ropeScale: rope.scale,
      qNorm: headNorm("qNorm"),
      kNorm: headNorm("kNorm"),
      normEps,
      normOffset: 0,
    },
    attend: { ...shared, scale: 1 / Math.sqrt(headDim), window: slidingWindow ?? 0, softcap: 0, sinks: NONE },
  }
}

/** residual + attention(x). */
export function attention(buffer: CommandBuffer, layer: Attention, x: Register, residual: Register): Register {
  const { q, order } = buffer.ropeAppend(linear(buffer, layer.input, x), layer.rope)
  return linear(buffer, layer.output, buffer.attend(q, order, layer.attend), residual)
}
