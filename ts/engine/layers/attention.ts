// Grouped-query attention over the KV store, with optional biases, per-head norms of q and k, and a sliding window.

import {
  type AttendOptions,
  type CommandBuffer,
  NONE,
  type Register,
  type RopeAppendOptions,
  type Weight,
} from "../models/command-buffer.ts"
import { headShare } from "../models/head-share.ts"
import type { MatrixPart, Share, WeightPlan } from "../models/weight-plan.ts"
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
  const { query, kv, counts } = headShare(queryHeads, kvHeads, plan.position)
  const rowsOf = ([from, to]: Share): Share => [from * headDim, to * headDim]
  const projection = (role: "q" | "k" | "v", heads: number, own: Share): MatrixPart => {
    return { role, layer, rows: heads * headDim, unit: headDim, share: rowsOf(own) }
  }
  const headNorm = (role: "qNorm" | "kNorm"): Weight =>
    options.headNorms ? plan.vector([{ role, layer, rows: headDim }], "replicated") : NONE
  const shared = { layer, queryHeads: query[1] - query[0], kvHeads: kv[1] - kv[0], headDim }
  return {
    input: describeLinear(plan, {
      parts: [projection("q", queryHeads, query), projection("k", kvHeads, kv), projection("v", kvHeads, kv)],
      inputs: hiddenSize,
      shard: "heads",
      bias: options.inputBias,
    }),
    output: describeLinear(plan, {
      parts: [{ role: "o", layer, rows: hiddenSize, share: rowsOf(query) }],
      inputs: queryHeads * headDim,
      shard: "columns",
      bias: options.outputBias,
      counts,
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
