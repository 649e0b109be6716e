// Token embedding and the head that turns hidden states into logits; one matrix when they are tied.

import { NONE, type CommandBuffer, type Register, type Weight } from "../models/command-buffer.ts"
import type { WeightPlan } from "../models/weight-plan.ts"
import { describeLinear, linear, type Linear } from "./linear.ts"
import { describeNorm, norm, type Norm } from "./norm.ts"

export interface Embedding {
  readonly weight: Weight
}

export function describeEmbedding(plan: WeightPlan): Embedding {
  const { vocabularySize, hiddenSize } = plan.config
  const [table] = plan.matrices([{ role: "embedding", rows: vocabularySize }], hiddenSize, "replicated")
  if (table === undefined) throw new Error("an embedding is one matrix")
  return { weight: table.weight }
}

/** Hidden states of tokens, f32 [rows, hidden]. */
export function embed(buffer: CommandBuffer, { weight }: Embedding, tokens: Register): Register {
  return buffer.embed(tokens, weight, 1)
}

export interface Head {
  readonly norm: Norm
  readonly projection: Linear
}

export function describeHead(plan: WeightPlan, embedding: Embedding): Head {
  const { vocabularySize, hiddenSize, tiedEmbeddings } = plan.config
  return {
    norm: describeNorm(plan, "finalNorm"),
    projection: tiedEmbeddings
      ? { pieces: [{ weight: embedding.weight, bias: NONE }], partial: false, counts: true }
      : describeLinear(plan, {
          parts: [{ role: "head", rows: vocabularySize }],
          inputs: hiddenSize,
          shard: "replicated",
        }),
  }
}

/** Logits of hidden states, f32 [rows, vocabulary]. */
export function logits(buffer: CommandBuffer, head: Head, x: Register): Register {
  return linear(buffer, head.projection, norm(buffer, head.norm, x))
}
