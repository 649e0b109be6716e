// How many tokens to propose for each sequence of a step. Knows no model.
//
// Of n tokens proposed with acceptance a each, a + a^2 + .. + a^n are expected to be right; so the n-th adds a^n tokens,
// one row to the step, and where it is the deepest of all, one pass of the proposer before the step.
// The rows of all sequences are taken in the order of what they add, as long as tokens a microsecond grow: what is best
// for one sequence alone is too much in a batch where every row costs.

export interface StepCosts {
  /** Of a step of so many rows. */
  stepUs(rows: number): number
  /** Of one pass of the proposer over so many sequences. */
  passUs(sequences: number): number
}

export interface DepthCandidate {
  /** Chance of each proposed token to be right when those before it are, 0..1. */
  readonly acceptance: number
  readonly most: number
}

/** Proposed tokens of each candidate. `rows`: of the step without any; each gives a token at most. */
export function chooseDepths(candidates: readonly DepthCandidate[], rows: number, costs: StepCosts): readonly number[] {
  const extra = candidates.flatMap(({ acceptance, most }, of) =>
    Array.from({ length: most }, (_, i) => ({ of, depth: i + 1, gain: acceptance ** (i + 1) })),
  )
  // The depth decides between equals, so that no sequence has its second token before its first.
  extra.sort((a, b) => b.gain - a.gain || a.depth - b.depth)
  let tokens = rows
  const passUs = costs.passUs(candidates.length)
  let deepest = 0
  let best = { rate: tokens / costs.stepUs(rows), count: 0 }
  extra.forEach(({ depth, gain }, i) => {
    tokens += gain
    deepest = Math.max(deepest, depth)
    const rate = tokens / (costs.stepUs(rows + i + 1) + deepest * passUs)
    if (rate > best.rate) best = { rate, count: i + 1 }
  })
  const depths = candidates.map(() => 0)
  for (const { of, depth } of extra.slice(0, best.count)) depths[of] = Math.max(depths[of] ?? 0, depth)
  return depths
}
