// What the scheduler asks of speculation: tokens that may come next, which the model judges in one step. Wrong ones cost
// time and change no answer: each position is sampled with its own noise, and a proposed token counts only where it is
// the very token that was sampled before it. Implemented in ts/engine/speculation.

import type { Sequence } from "./sequence.ts"

export interface Candidate {
  /** All its tokens are known, and the KV of all but the last is computed. */
  readonly sequence: Sequence
  /** Proposed tokens beyond which none could count. */
  readonly most: number
}

export interface Speculator {
  /** Whether tokens are proposed for it now: then its last token is to be known before its next step. */
  isActive(sequence: Sequence): boolean
  /** Tokens for some of the candidates. `rows`: of the step without them. */
  propose(candidates: readonly Candidate[], rows: number): ReadonlyMap<Sequence, Int32Array>
  /** So many were proposed in a step that has run, and the first `accepted` of them were right. */
  judged(sequence: Sequence, proposed: number, accepted: number): void
  /** A step without prompts took so long, from its plan to its tokens. */
  stepTook(rows: number, us: number): void
  /** The sequence has come to its end. */
  left(sequence: Sequence): void
}
