// What speculation has been worth to one sequence: how often proposed tokens were right, and whether it rests because it
// did not pay. Knows no proposer and no costs.

/** Before anything is known: so many tokens judged, of which so many were right. */
const PRIOR = { judged: 2, right: 1.4 }
/** Of what was judged at one step in the next. */
const MEMORY = 0.9
/** Tokens that a sequence gives before it is tried again; doubled each time it does not pay. */
const LEAST_REST = 16
const MOST_REST = 512
/** Steps for which a sequence that is tried again is proposed for, whatever was expected. */
const TRIAL_STEPS = 3
/** Steps in a row without anything to propose, after which it rests. */
const MOST_MISSES = 8

export interface Trial {
  /** Chance of a proposed token to be right when those before it are. */
  readonly acceptance: number
  readonly resting: boolean
  /** Tried again after a rest: it is proposed for, whatever is expected. */
  readonly onTrial: boolean
  /** The sequence has `known` tokens now: a rest may be over. */
  look(known: number): void
  judged(proposed: number, accepted: number): void
  /** There was nothing to propose. */
  missed(known: number): void
  /** It does not pay. */
  rest(known: number): void
}

export function createTrial(): Trial {
  let { judged, right } = PRIOR
  let restUntil = -1
  let nextRest = LEAST_REST
  let trialSteps = 0
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
    get onTrial() {
      return trialSteps > 0
    },
    look(known) {
      if (restUntil < 0 || known < restUntil) return
      restUntil = -1
      trialSteps = TRIAL_STEPS
      judged = PRIOR.judged
      right = PRIOR.right
    },
    judged(proposed, accepted) {
      const refused = accepted < proposed ? 1 : 0
      judged = judged * MEMORY + accepted + refused
      right = right * MEMORY + accepted
      misses = 0
      if (trialSteps > 0) trialSteps--
      // All were right: what did not pay before does now.
      else if (refused === 0) nextRest = LEAST_REST
    },
    missed(known) {
      if (++misses >= MOST_MISSES) rest(known)
    },
    rest,
  }
}
