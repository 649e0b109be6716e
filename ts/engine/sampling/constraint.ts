// What a sequence may say next, by the grammar of its request. Implemented natively (crates/mlx-jaccl-rs/src/grammar), on
// threads of its own; here are its door and the masks of one step. Knows no logits.

/** What Constraint.mask found. */
const MaskKind = {
  /** Every token may come; nothing is written. */
  free: 0,
  masked: 1,
  /** Nothing may come: the answer is whole. */
  complete: 2,
  failed: 3,
} as const

export interface Constraint {
  /** Until it is ready, the sequence waits. */
  readonly status: "compiling" | "ready" | "failed"
  /** A completion token that is known now, unless it ends the answer. The mask after it is begun at once, elsewhere. */
  advance(id: number): void
  /** Waits for the mask of the next token and writes it, a bit a token. Returns a MaskKind. */
  mask(out: Int32Array, offset: number): number
  /** The masks after none, one, two ... of these tokens, as far as they may come; returns how many. */
  masks(drafts: Int32Array, out: Int32Array): number
  close(): void
}

/**
 * `rule`: what GenerationRequest's text half wrote. `ends`: tokens that end the answer, and do not before `minTokens`
 * tokens unless nothing else can come. `tokens`: of the answer, known already.
 */
export type OpenConstraint = (rule: string, ends: Int32Array, minTokens: number, tokens: Int32Array) => Constraint

/** Bits of a word of a mask. */
export const MASK_BITS = 32

/** A mask that forbids nothing. */
function allowAll(words: Int32Array): void {
  words.fill(-1)
}

/**
 * Writes the masks of the rows that judge `drafts`, one after the other, into `out`. Rows behind a token that may not come
 * are judged by nobody and are left free.
 */
export function writeMasks(
  constraint: Constraint,
  drafts: Int32Array,
  out: Int32Array,
): "written" | "complete" | "failed" {
  allowAll(out)
  if (drafts.length > 0) {
    const words = out.length / (drafts.length + 1)
    const written = constraint.masks(drafts, out)
    if (written > 0) return "written"
    return constraint.mask(out.subarray(0, words), 0) === MaskKind.complete ? "complete" : "failed"
  }
  const kind = constraint.mask(out, 0)
  if (kind === MaskKind.complete) return "complete"
  return kind === MaskKind.failed ? "failed" : "written"
}
