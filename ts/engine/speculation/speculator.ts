// Joins a proposer, what it costs and what it has been worth to each sequence: what the scheduler asks of speculation.
// Knows no model and no queue.

import { EngineError } from "../errors.ts"
import type { SpeculationStatus } from "../generation.ts"
import type { Sequence, Speculator } from "../scheduling/index.ts"
import { chooseDepths } from "./depth.ts"
import { MAX_DEPTH, type Proposed, type Proposer, type Request } from "./proposer.ts"
import { createStepCostMeter } from "./step-cost-meter.ts"
import { createTrial, type Trial } from "./trial.ts"

/** In turns, until it is known what steps cost: rows of different number tell it. */
const FIRST_DEPTHS = [4, 2, 6]
/** Of a sequence about which nothing is known, before any other is judged and after. */
const FIRST_ACCEPTANCE = 0.7
const ACCEPTANCE_MEMORY = 0.95
/** Once in so many times, when most tokens were right, more are proposed than seem best: what that costs is measured. */
const EXPLORE_EVERY = 24
const EXPLORE_ACCEPTANCE = 0.6
/** Where nothing has seemed worth proposing so many times, one sequence gets a little: the costs may have changed. */
const TRIAL_EVERY = 16
const TRIAL_DEPTH = 2
/** Of the mean depth in the next step. */
const DEPTH_MEMORY = 0.95

export interface SpeculatorWithStatus extends Speculator {
  readonly status: SpeculationStatus
}

/** `onError`: the proposer failed. It is not asked again, and no request suffers. */
export function createSpeculator(
  proposer: Proposer,
  nowUs: () => number,
  onError: (error: unknown) => void,
): SpeculatorWithStatus {
  const trials = new Map<Sequence, Trial>()
  const meter = createStepCostMeter()
  const counts = { proposedTokens: 0, acceptedTokens: 0, steps: 0 }
  let depth = 0
  let acceptance = FIRST_ACCEPTANCE
  let rounds = 0
  /** Rounds in a row in which nothing seemed worth proposing. */
  let idleRounds = 0
  /** The next step begins behind work of the proposer that nobody has waited for: its time tells nothing. */
  let waitsForProposer = false
  let isBroken = false

  function trialOf(sequence: Sequence): Trial {
    const found = trials.get(sequence)
    if (found !== undefined) return found
    const made = createTrial(() => acceptance)
    trials.set(sequence, made)
    return made
  }

  function proposed(requests: readonly Request[]): Proposed {
    try {
      return proposer.propose(requests)
    } catch (cause) {
      isBroken = true
      trials.clear()
      const why = cause instanceof Error ? cause.message : String(cause)
      onError(new EngineError("internal", `Speculation is switched off, its proposer failed: ${why}`, { cause }))
      return { tokens: [], isCatchingUp: true }
    }
  }

  return {
    isActive(sequence) {
      if (isBroken || sequence.finished || !proposer.serves(sequence)) return false
      const trial = trialOf(sequence)
      trial.look(sequence.known)
      return !trial.resting
    },
    propose(candidates, rows) {
      const open = candidates.flatMap(({ sequence, most }) => {
        const trial = trialOf(sequence)
        const available = proposer.available(sequence, Math.min(most, MAX_DEPTH))
        if (available > 0) return [{ sequence, trial, most: available, acceptance: trial.acceptance }]
        trial.missed(sequence.known)
        return []
      })
      const { costs } = meter
      const first = FIRST_DEPTHS[counts.steps % FIRST_DEPTHS.length] ?? 1
      const chosen = costs === null ? open.map(() => first) : chooseDepths(open, rows, costs)
      const explores = ++rounds % EXPLORE_EVERY === 0
      idleRounds = open.length > 0 && chosen.every((one) => one === 0) ? idleRounds + 1 : 0
      const isTrial = idleRounds >= TRIAL_EVERY
      if (isTrial) idleRounds = 0
      const requests = open.flatMap(({ sequence, trial, most }, i) => {
        const best = isTrial && i === 0 ? TRIAL_DEPTH : (chosen[i] ?? 0)
        const isPromising = best > 0 && trial.acceptance > EXPLORE_ACCEPTANCE
        const wanted = Math.min(most, explores && isPromising ? 2 * best + 1 : best)
        if (wanted === 0) trial.rest(sequence.known)
        return wanted === 0 ? [] : [{ sequence, depth: wanted }]
      })
      if (requests.length === 0) return new Map()
      const begunUs = nowUs()
      const { tokens, isCatchingUp } = proposed(requests)
      waitsForProposer = isCatchingUp
      const passes = Math.max(...requests.map((request) => request.depth))
      if (!isCatchingUp) meter.pass(requests.length, (nowUs() - begunUs) / passes)
      const proposals = new Map<Sequence, Int32Array>()
      requests.forEach(({ sequence }, i) => {
        const own = tokens[i]
        if (own !== undefined && own.length > 0) proposals.set(sequence, own)
        else if (!isCatchingUp) trialOf(sequence).rest(sequence.known)
      })
      return proposals
    },
    judged(sequence, proposed, accepted) {
      trials.get(sequence)?.judged(proposed, accepted)
      counts.proposedTokens += proposed
      counts.acceptedTokens += accepted
      const share = accepted / (accepted + (accepted < proposed ? 1 : 0))
      acceptance = ACCEPTANCE_MEMORY * acceptance + (1 - ACCEPTANCE_MEMORY) * (Number.isNaN(share) ? 0 : share)
      depth = counts.steps === 0 ? proposed : DEPTH_MEMORY * depth + (1 - DEPTH_MEMORY) * proposed
      counts.steps++
    },
    stepTook(rows, us) {
      // Where nobody is proposed for, nobody asks what steps cost.
      if (!waitsForProposer && trials.size > 0) meter.step(rows, us)
      waitsForProposer = false
    },
    left(sequence) {
      trials.delete(sequence)
      proposer.left(sequence)
    },
    get status() {
      const resting = [...trials.values()].filter((trial) => trial.resting).length
      return { kind: proposer.kind, ...counts, depth, active: trials.size - resting, resting }
    },
  }
}
