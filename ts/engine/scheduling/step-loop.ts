// The engine's loop over one model instance: schedule, submit, read the step before. Knows no ring and no arrays.

import { KvFullError, type ModelRunner } from "./model-runner.ts"
import type { Scheduler } from "./scheduler.ts"
import type { StepPlan } from "./step-plan.ts"

export interface StepLoop {
  /** Submits one step and reads the one before. False when there was nothing to do. */
  step(): boolean
  readonly steps: number
  /** Mean time of a step in microseconds since the start. */
  readonly stepUsMean: number
  /** Microseconds of each step since the last call; the newest STEP_TIMES_KEPT at most. */
  takeStepTimes(): readonly number[]
}

const STEP_TIMES_KEPT = 8192

export interface StepLoopOptions {
  /** Submit step n + 1 before the tokens of step n are read. Off where submitting waits for the result anyway. */
  readonly lookAhead: boolean
  readonly nowUs: () => number
  /** A step failed; its requests have got their error. */
  readonly onError: (error: unknown) => void
  /**
   * Tells the other ranks of a step that was submitted. With it every other failure is thrown and no request hears of
   * it: ranks that are not in step any more cannot go on, their group starts anew and the requests with it.
   */
  readonly mirror?: ((plan: StepPlan) => void) | undefined
  /** Tells them of the masks of a step. */
  readonly mirrorMasks?: ((plan: StepPlan, masks: Int32Array) => void) | undefined
}

export function createStepLoop(scheduler: Scheduler, runner: ModelRunner, options: StepLoopOptions): StepLoop {
  const { nowUs, onError, lookAhead, mirror, mirrorMasks } = options
  let unread: StepPlan | null = null
  let steps = 0
  let busyUs = 0
  let times: number[] = []

  /** The plan if it is under way. */
  function submit(plan: StepPlan): StepPlan | null {
    try {
      runner.submit(plan)
      mirror?.(plan)
      return plan
    } catch (error) {
      if (error instanceof KvFullError) scheduler.retract(plan)
      else {
        if (mirror !== undefined) throw error
        scheduler.fail(plan)
        onError(error)
      }
      return null
    }
  }

  /** Samples what submit left undone: the device is at the step's layers while its masks are computed. */
  function sample(plan: StepPlan): StepPlan | null {
    if (plan.maskedRows.length === 0) return plan
    try {
      const masks = scheduler.masks(plan)
      runner.sample(plan, masks)
      mirrorMasks?.(plan, masks)
      return plan
    } catch (error) {
      if (mirror !== undefined) throw error
      scheduler.fail(plan)
      onError(error)
      return null
    }
  }

  function read(plan: StepPlan): void {
    try {
      scheduler.complete(plan, runner.read(plan))
    } catch (error) {
      if (mirror !== undefined) throw error
      scheduler.fail(plan)
      onError(error)
    }
  }

  return {
    get steps() {
      return steps
    },
    get stepUsMean() {
      return steps === 0 ? 0 : busyUs / steps
    },
    takeStepTimes() {
      const taken = times
      times = []
      return taken
    },
    step() {
      const begunUs = nowUs()
      let before = unread
      if (before !== null && scheduler.awaitsTokens) {
        read(before)
        before = null
      }
      const plan = scheduler.schedule()
      if (plan === null && unread === null) return false
      unread = plan === null ? null : submit(plan)
      if (before !== null) read(before)
      if (unread !== null) unread = sample(unread)
      if (!lookAhead && unread !== null) {
        read(unread)
        unread = null
      }
      steps++
      const tookUs = nowUs() - begunUs
      busyUs += tookUs
      if (times.length === STEP_TIMES_KEPT) times.splice(0, STEP_TIMES_KEPT / 2)
      times.push(tookUs)
      return true
    },
  }
}
