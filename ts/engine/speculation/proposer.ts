// Where proposed tokens come from. Two implementations: a draft model, and n-grams of the text itself.

import type { Sequence } from "../scheduling/index.ts"

/** Tokens proposed for a sequence and step at most. A step judges one row more, and kernels like eight rows. */
export const MAX_DEPTH = 7

export interface Request {
  readonly sequence: Sequence
  /** Tokens wanted, 1 to MAX_DEPTH. */
  readonly depth: number
}

export interface Proposed {
  /** For each request, as many as wanted or fewer. */
  readonly tokens: readonly Int32Array[]
  /** Time went into what was missed before: none of it tells what a pass costs, and no tokens do not mean none ever. */
  readonly isCatchingUp: boolean
}

export interface Proposer {
  readonly kind: "draft" | "ngram"
  /** Whether it ever proposes for this sequence. */
  serves(sequence: Sequence): boolean
  /** How many of `most` tokens it could propose now; 0: none. */
  available(sequence: Sequence, most: number): number
  propose(requests: readonly Request[]): Proposed
  /** The sequence has come to its end. */
  left(sequence: Sequence): void
  close(): void
}
