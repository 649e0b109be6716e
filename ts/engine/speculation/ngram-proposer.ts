// Prompt lookup: where the last tokens came before in the prompt, the answer or what the request predicts of the answer,
// what followed them there is proposed now.
// Needs no model: good for edits, quotations and repetition. After A. Saxena, "Prompt Lookup Decoding" (2023).

import type { Sequence } from "../scheduling/index.ts"
import { createNgramIndex, type NgramIndex } from "./ngram-index.ts"
import type { Proposer } from "./proposer.ts"

interface Texts {
  /** Of the prompt and the answer so far. */
  readonly own: NgramIndex
  /** Of what the request expects of the answer; null: it does not say. */
  readonly predicted: NgramIndex | null
}

export function createNgramProposer(): Proposer {
  const texts = new Map<Sequence, Texts>()

  function textsOf(sequence: Sequence): Texts {
    const found = texts.get(sequence)
    if (found !== undefined) return found
    const { prediction } = sequence
    const predicted = prediction.length === 0 ? null : createNgramIndex()
    predicted?.extend(prediction, prediction.length)
    const made = { own: createNgramIndex(), predicted }
    texts.set(sequence, made)
    return made
  }

  /** Tokens of the prediction that follow the last ones; at first its beginning. */
  function lookUpPrediction({ ids, known, promptLength, prediction }: Sequence, index: NgramIndex, most: number) {
    const from = known === promptLength ? 0 : index.find(ids, known)
    return from < 0 ? NOTHING : prediction.subarray(from, from + most)
  }

  /** Tokens that followed the last ones when they came before. */
  function lookUpOwn({ ids, known }: Sequence, index: NgramIndex, most: number): Int32Array {
    index.extend(ids, known)
    const from = index.find(ids, known)
    if (from < 0) return NOTHING
    const found = new Int32Array(most)
    // Behind the end of the text comes what is proposed itself: a repetition goes on.
    for (let i = 0; i < most; i++) found[i] = (from + i < known ? ids[from + i] : found[from + i - known]) ?? 0
    return found
  }

  function lookUp(sequence: Sequence, most: number): Int32Array {
    const { own, predicted } = textsOf(sequence)
    const found = predicted === null ? NOTHING : lookUpPrediction(sequence, predicted, most)
    return found.length > 0 ? found : lookUpOwn(sequence, own, most)
  }

  return {
    kind: "ngram",
    serves: () => true,
    available: (sequence, most) => lookUp(sequence, most).length,
    propose: (requests) => ({
      tokens: requests.map(({ sequence, depth }) => lookUp(sequence, depth)),
      isCatchingUp: false,
    }),
    left: (sequence) => void texts.delete(sequence),
    close: () => texts.clear(),
  }
}

const NOTHING = new Int32Array(0)
