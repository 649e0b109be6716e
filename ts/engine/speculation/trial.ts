// What speculation has been worth to one sequence: how often proposed tokens were right, and whether it rests because it
// did not pay. Knows no proposer and no costs.

/** What is expected of a sequence counts as much as so many judged tokens. */
const PRIOR_JUDGED = 2
/** Of what was judged at one step in the next. */
const MEMORY = 0.9
/** Tokens that a sequence gives before it is tried again; doubled each time it does not pay. */
const LEAST_REST = 32
const MOST_REST = 512
/** Expected at least of a sequence that has rested: else what was once bad would never be tried again. */
const LEAST_HOPE = 0.5
/** Steps in a row without anything to propose, after which it rests. */
const MOST_MISSES = 8

export interface Trial {
  /** Chance of a proposed token to be right when those before it are. */
  readonly acceptance: number
  readonly resting: boolean
  /** The sequence has `known` tokens now: a rest may be over. */
  look(known: number): void
  judged(proposed: number, accepted: number): void
  /** There was nothing to propose. */
  missed(known: number): void
  /** It does not pay. */
  rest(known: number): void
}

/** `expected`: acceptance of late, whoever's. */
export function createTrial(expected: () => number): Trial {
  let judged = PRIOR_JUDGED
  let right = PRIOR_JUDGED * expected()
  let restUntil = -1
  let nextRest = LEAST_REST
  let misses = 0

  function rest(known: number): void {
    restUntil = known + nextRest
    nextRest = Math.min(MOST_REST, 2 * nextRest)
    misses = 0
  }

  return {
    get acceptance() {
      return right / judged
    },
    get resting() {
      return restUntil >= 0
    },
    look(known) {
      if (restUntil < 0 || known < restUntil) return
      restUntil = -1
      judged = PRIOR_JUDGED
      right = PRIOR_JUDGED * Math.max(LEAST_HOPE, expected())
    },
    judged(proposed, accepted) {
      const refused = accepted < proposed ? 1 : 0
      judged = judged * MEMORY + accepted + refused
      right = right * MEMORY + accepted
      misses = 0
      // All were right: what did not pay before may now.
      if (refused === 0) nextRest = LEAST_REST
    },
    missed(known) {
      if (++misses >= MOST_MISSES) rest(known)
    },
    rest,
  }
}
