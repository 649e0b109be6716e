// Learns what a step and a pass of the proposer cost: a line through the times of the last steps by their rows, older
// ones counting less. Knows no clock.

import type { StepCosts } from "./depth.ts"

/** Of a step in the next one. */
const DECAY = 0.97
/** Steps before the line is trusted. */
const LEAST_STEPS = 8
/** Variance of the rows, below which their slope cannot be told: the last one stays. */
const LEAST_VARIANCE = 0.2
/** A time so many times the expected one is an accident of the machine, and counts as that much. */
const MOST_TIMES = 3

export interface StepCostMeter {
  step(rows: number, us: number): void
  pass(us: number): void
  /** Null: not known yet. */
  readonly costs: StepCosts | null
}

export function createStepCostMeter(): StepCostMeter {
  const sums = { weight: 0, rows: 0, us: 0, rowsRows: 0, rowsUs: 0 }
  let steps = 0
  let rowUs = 0
  let fixedUs = 0
  let passUs = 0
  let slopeIsKnown = false

  return {
    step(rows, measuredUs) {
      const expectedUs = fixedUs + rows * rowUs
      const us = steps >= LEAST_STEPS ? Math.min(measuredUs, MOST_TIMES * expectedUs) : measuredUs
      for (const name of ["weight", "rows", "us", "rowsRows", "rowsUs"] as const) sums[name] *= DECAY
      sums.weight += 1
      sums.rows += rows
      sums.us += us
      sums.rowsRows += rows * rows
      sums.rowsUs += rows * us
      steps++
      const meanRows = sums.rows / sums.weight
      const meanUs = sums.us / sums.weight
      const variance = sums.rowsRows / sums.weight - meanRows * meanRows
      if (variance > LEAST_VARIANCE) {
        const slope = (sums.rowsUs / sums.weight - meanRows * meanUs) / variance
        // No row is free, and none costs more than a step of its own.
        rowUs = Math.min(Math.max(slope, 0.01 * meanUs), meanUs / meanRows)
        slopeIsKnown = true
      }
      fixedUs = Math.max(0, meanUs - meanRows * rowUs)
    },
    pass(us) {
      const most = passUs === 0 ? us : Math.min(us, MOST_TIMES * passUs)
      passUs = passUs === 0 ? us : passUs + (1 - DECAY) * (most - passUs)
    },
    get costs() {
      return steps < LEAST_STEPS || !slopeIsKnown ? null : { fixedUs, rowUs, passUs }
    },
  }
}
