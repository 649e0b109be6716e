// What every family file of this folder exports, so that the runner needs to know none of them.

import type { CommandBuffer, Register } from "./command-buffer.ts"
import type { WeightPlan } from "./weight-plan.ts"

/** A model whose weights are described: appends its forward pass to a command buffer. */
export interface Model {
  /** Hidden states f32 [rows, hidden] after the last layer. Advances the KV sequences of the batch. */
  forward(buffer: CommandBuffer, tokens: Register): Register
  /** Logits f32 [rows, vocabulary] of hidden states. */
  logits(buffer: CommandBuffer, hidden: Register): Register
  /**
   * The token of the highest logit, i32 [rows], into `tokens`. Over several ranks it moves a pair of numbers a row, where
   * `logits` moves a row of the vocabulary.
   */
  best(buffer: CommandBuffer, hidden: Register, tokens: Register): void
}

/** `ropeFactors`: the divisors that some checkpoints bring as a tensor, else null. */
export type Family = (plan: WeightPlan, ropeFactors: Float32Array | null) => Model
