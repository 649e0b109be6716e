// Where proposed tokens come from. Two implementations: a draft model, and n-grams of the text itself.

import type { Sequence } from "../scheduling/index.ts"

/** Tokens proposed for a sequence and step at most: a step judges one row more. */
export const MAX_DEPTH = 8

export interface Request {
  readonly sequence: Sequence
  /** Tokens wanted, 1 to MAX_DEPTH. */
  readonly depth: number
}

export interface Proposer {
  readonly kind: "draft" | "ngram"
  /** How many of `most` tokens it could propose now; 0: none. */
  available(sequence: Sequence, most: number): number
  /** Tokens for each request, as many as wanted or fewer. */
  propose(requests: readonly Request[]): readonly Int32Array[]
  /** The sequence has come to its end. */
  left(sequence: Sequence): void
  close(): void
}
