// Logit bias, penalties and the least length of one sequence -> the words of its row of OP_ADJUST. Definitions:
// opcodes.h, AdjustWord. Knows no logits. The one token that the host does not know yet is named by its row in the step
// before, and the device counts it: such sequences run ahead like all others.

import { EngineError } from "../errors.ts"
import type { LogitAdjustments } from "../generation.ts"
import { AdjustEntryWord, AdjustWord } from "../models/index.ts"

export interface Adjuster {
  /** A completion token that is known now; each once, in order. */
  generated(id: number): void
  /**
   * `history`: known tokens of prompt and answer. `pending`: row of the step before that samples the token after them, or
   * -1. `position`: completion tokens before the one to be sampled, the pending one included. `proposed`: so many at the
   * end of the history are not generated, but taken as if they were.
   */
  words(history: Int32Array, pending: number, position: number, proposed?: number): Int32Array
}

/** Bits of f32. */
const bits = (value: number): number => new Int32Array(Float32Array.of(value).buffer)[0] ?? 0

/** A row that changes nothing. */
const UNCHANGED = Int32Array.of(bits(1), 0, 0, -1, 0)

interface Entry {
  bias: number
  count: number
  repeated: boolean
}

/** Null when nothing is asked. Throws EngineError "invalid_request" for a token outside the vocabulary. */
export function createAdjuster(
  adjustments: LogitAdjustments | undefined,
  endIds: Iterable<number>,
  vocabularySize: number,
): Adjuster | null {
  if (adjustments === undefined) return null
  const { repetitionPenalty, repetitionContext, presencePenalty, frequencyPenalty, minTokens } = adjustments
  const biases = new Map<number, number>()
  for (const [id, bias] of adjustments.logitBias) {
    if (!(id >= 0 && id < vocabularySize))
      throw new EngineError("invalid_request", `There is no token ${id}.`, { param: "logit_bias" })
    if (bias !== 0) biases.set(id, (biases.get(id) ?? 0) + bias)
  }
  const ends = minTokens > 0 ? [...endIds].filter((id) => id >= 0 && id < vocabularySize) : []
  const counts = presencePenalty === 0 && frequencyPenalty === 0 ? null : new Map<number, number>()
  const context = repetitionPenalty === 1 ? 0 : repetitionContext
  if (biases.size === 0 && ends.length === 0 && counts === null && context === 0) return null

  return {
    generated(id) {
      counts?.set(id, (counts.get(id) ?? 0) + 1)
    },
    words(history, pending, position, proposed = 0) {
      const entries = new Map<number, Entry>()
      const entry = (id: number): Entry => {
        const found = entries.get(id) ?? { bias: 0, count: 0, repeated: false }
        entries.set(id, found)
        return found
      }
      for (const [id, bias] of biases) entry(id).bias = bias
      if (position < minTokens) for (const id of ends) entry(id).bias = Number.NEGATIVE_INFINITY
      for (const [id, count] of counts ?? []) entry(id).count = count
      if (counts !== null) for (const id of history.subarray(history.length - proposed)) entry(id).count++
      const window = Math.min(history.length, Math.max(0, context - (pending < 0 ? 0 : 1)))
      for (const id of history.subarray(history.length - window)) entry(id).repeated = true

      const words = new Int32Array(AdjustWord.WORDS + entries.size * AdjustEntryWord.WORDS)
      words[AdjustWord.REPETITION] = bits(context > 0 ? repetitionPenalty : 1)
      words[AdjustWord.PRESENCE] = bits(presencePenalty)
      words[AdjustWord.FREQUENCY] = bits(frequencyPenalty)
      words[AdjustWord.PENDING] = pending
      words[AdjustWord.COUNT] = entries.size
      let at: number = AdjustWord.WORDS
      for (const [id, { bias, count, repeated }] of entries) {
        words[at + AdjustEntryWord.TOKEN] = id
        words[at + AdjustEntryWord.BIAS] = bits(bias)
        words[at + AdjustEntryWord.COUNT] = count
        words[at + AdjustEntryWord.REPEATED] = repeated ? 1 : 0
        at += AdjustEntryWord.WORDS
      }
      return words
    },
  }
}

/** The rows of a step one after the other, null for one that asks nothing; no words at all when none does. */
export function adjustmentWords(rows: readonly (Int32Array | null)[]): Int32Array {
  if (rows.every((row) => row === null)) return new Int32Array(0)
  const parts = rows.map((row) => row ?? UNCHANGED)
  const words = new Int32Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    words.set(part, at)
    at += part.length
  }
  return words
}
