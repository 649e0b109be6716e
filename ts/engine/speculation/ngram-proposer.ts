// Prompt lookup: where the last tokens came before in the prompt or the answer, what followed them then is proposed now.
// Needs no model: good for edits, quotations and repetition. After A. Saxena, "Prompt Lookup Decoding" (2023).

import type { Sequence } from "../scheduling/index.ts"
import { createNgramIndex, type NgramIndex } from "./ngram-index.ts"
import type { Proposer } from "./proposer.ts"

export function createNgramProposer(): Proposer {
  const indexes = new Map<Sequence, NgramIndex>()

  /** Tokens that followed the last ones when they came before, at most so many. */
  function lookUp(sequence: Sequence, most: number): Int32Array {
    const { ids, known } = sequence
    const index = indexes.get(sequence) ?? createNgramIndex()
    indexes.set(sequence, index)
    index.extend(ids, known)
    const from = index.find(ids, known)
    if (from < 0) return new Int32Array(0)
    const found = new Int32Array(most)
    // Behind the end of the text comes what is proposed itself: a repetition goes on.
    for (let i = 0; i < most; i++) found[i] = (from + i < known ? ids[from + i] : found[from + i - known]) ?? 0
    return found
  }

  return {
    kind: "ngram",
    available: (sequence, most) => lookUp(sequence, most).length,
    propose: (requests) => ({
      tokens: requests.map(({ sequence, depth }) => lookUp(sequence, depth)),
      isCatchingUp: false,
    }),
    left: (sequence) => void indexes.delete(sequence),
    close: () => indexes.clear(),
  }
}
