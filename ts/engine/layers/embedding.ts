// Token embedding and the head that turns hidden states into logits; one matrix when they are tied. Over several ranks
// each has the rows of its own share of the vocabulary: embeddings are summed, the columns of logits gathered.

import { NONE, type CommandBuffer, type Register, type Weight } from "../models/command-buffer.ts"
import type { Share, WeightPlan } from "../models/weight-plan.ts"
import { describeLinear, linear, type Linear } from "./linear.ts"
import { describeNorm, norm, type Norm } from "./norm.ts"
import { vocabularyShares } from "./vocabulary-share.ts"

interface VocabularyPart {
  readonly size: number
  /** Tokens of every rank, and of this one. */
  readonly shares: readonly Share[]
  readonly own: Share
}

function vocabularyPart(plan: WeightPlan): VocabularyPart {
  const size = plan.config.vocabularySize
  const shares = vocabularyShares(plan)
  return { size, shares, own: shares[plan.position.rank] ?? [0, size] }
}

export interface Embedding {
  readonly weight: Weight
  readonly vocabulary: VocabularyPart
}

export function describeEmbedding(plan: WeightPlan): Embedding {
  const { vocabularySize, hiddenSize } = plan.config
  const vocabulary = vocabularyPart(plan)
  const part = { role: "embedding", rows: vocabularySize, share: vocabulary.own } as const
  const [table] = plan.matrices([part], hiddenSize, "rows")
  if (table === undefined) throw new Error("an embedding is one matrix")
  return { weight: table.weight, vocabulary }
}

/** Hidden states of tokens, f32 [rows, hidden]. */
export function embed(buffer: CommandBuffer, { weight, vocabulary }: Embedding, tokens: Register): Register {
  if (vocabulary.shares.length === 1) return buffer.embed(tokens, weight, 1)
  return buffer.allSum(buffer.embedPart(tokens, weight, 1, vocabulary.own[0], vocabulary.size))
}

export interface Head {
  readonly norm: Norm
  readonly projection: Linear
  readonly vocabulary: VocabularyPart
  /** How many tokens each rank has. */
  readonly widths: readonly number[]
}

export function describeHead(plan: WeightPlan, embedding: Embedding): Head {
  const { vocabularySize, hiddenSize, tiedEmbeddings } = plan.config
  const { vocabulary } = embedding
  return {
    norm: describeNorm(plan, "finalNorm"),
    projection: tiedEmbeddings
      ? { pieces: [{ weight: embedding.weight, bias: NONE }], partial: false, counts: true }
      : describeLinear(plan, {
          parts: [{ role: "head", rows: vocabularySize, share: vocabulary.own }],
          inputs: hiddenSize,
          shard: "rows",
        }),
    vocabulary,
    widths: vocabulary.shares.map(([from, to]) => to - from),
  }
}

function ownLogits(buffer: CommandBuffer, head: Head, x: Register): Register {
  return linear(buffer, head.projection, norm(buffer, head.norm, x))
}

/** Logits of hidden states, f32 [rows, vocabulary]. */
export function logits(buffer: CommandBuffer, head: Head, x: Register): Register {
  const own = ownLogits(buffer, head, x)
  return head.widths.length === 1 ? own : buffer.gatherColumns(own, head.widths)
}

/** The tokens of the highest logits into `tokens`, without the whole logits anywhere. */
export function best(buffer: CommandBuffer, head: Head, x: Register, tokens: Register): void {
  buffer.bestToken(tokens, ownLogits(buffer, head, x), head.vocabulary.own[0], head.vocabulary.size)
}
