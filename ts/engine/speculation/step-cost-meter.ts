// Learns what steps and passes of the proposer cost, by their rows. Knows no clock.
//
// Times of a busy machine are the true ones and now and then much more, in stretches: of each number of rows the least of
// its last times counts, and for numbers that have not been seen a line through these, the older ones with less weight.
// Kernels work on tiles of rows: steps do not cost the same for each row.

import type { StepCosts } from "./depth.ts"

const TIMES_KEPT = 16
/** Times of a number of rows before they count for themselves. */
const LEAST_TIMES = 4
/** Steps before the line is trusted. */
const LEAST_STEPS = 8
/** Weight of a number of rows, for each step since it was last seen. */
const AGEING = 0.99
/** Numbers of rows that are told apart; the least recently seen is forgotten. */
const MOST_GROUPS = 32

export interface StepCostMeter {
  step(rows: number, us: number): void
  /** A pass of the proposer over so many sequences. */
  pass(rows: number, us: number): void
  /** Null: not known yet. */
  readonly costs: StepCosts | null
}

interface Group {
  readonly times: number[]
  added: number
  leastUs: number
  /** Number of the last time. */
  seen: number
}

interface TimesByRows {
  readonly count: number
  /** More than one number of rows was seen. */
  readonly hasLine: boolean
  add(rows: number, us: number): void
  expectedUs(rows: number): number
}

function createTimesByRows(): TimesByRows {
  /** Least recently seen first. */
  const groups = new Map<number, Group>()
  let count = 0
  let line: { readonly fixedUs: number; readonly rowUs: number } | null = null

  function fit(): void {
    let [weights, rowsSum, usSum] = [0, 0, 0]
    const points = [...groups].map(([rows, { leastUs, seen }]) => {
      const weight = AGEING ** (count - seen)
      weights += weight
      rowsSum += weight * rows
      usSum += weight * leastUs
      return { rows, us: leastUs, weight }
    })
    const [meanRows, meanUs] = [rowsSum / weights, usSum / weights]
    let [variance, covariance] = [0, 0]
    for (const { rows, us, weight } of points) {
      variance += weight * (rows - meanRows) ** 2
      covariance += weight * (rows - meanRows) * (us - meanUs)
    }
    // No row is free, and none costs more than a step of its own.
    const slope = variance === 0 ? 0 : covariance / variance
    const rowUs = Math.min(Math.max(slope, 0.01 * meanUs), meanUs / meanRows)
    line = { rowUs, fixedUs: Math.max(0, meanUs - meanRows * rowUs) }
  }

  return {
    get count() {
      return count
    },
    get hasLine() {
      return groups.size > 1
    },
    add(rows, us) {
      const group = groups.get(rows) ?? { times: [], added: 0, leastUs: 0, seen: 0 }
      groups.delete(rows)
      groups.set(rows, group)
      group.times[group.added++ % TIMES_KEPT] = us
      group.leastUs = Math.min(...group.times)
      group.seen = ++count
      const [oldest] = groups.keys()
      if (groups.size > MOST_GROUPS && oldest !== undefined) groups.delete(oldest)
      fit()
    },
    /** Never more than what more rows take. */
    expectedUs(rows) {
      const own = groups.get(rows)
      const isKnown = own !== undefined && own.added >= LEAST_TIMES
      let us = isKnown ? own.leastUs : line === null ? 0 : line.fixedUs + rows * line.rowUs
      for (const [more, { leastUs, added }] of groups) {
        if (more > rows && added >= LEAST_TIMES) us = Math.min(us, leastUs)
      }
      return us
    },
  }
}

export function createStepCostMeter(): StepCostMeter {
  const steps = createTimesByRows()
  const passes = createTimesByRows()
  const costs: StepCosts = {
    stepUs: (rows) => steps.expectedUs(rows),
    passUs: (rows) => passes.expectedUs(rows),
  }
  return {
    step: (rows, us) => steps.add(rows, us),
    pass: (rows, us) => passes.add(rows, us),
    get costs() {
      return steps.count < LEAST_STEPS || !steps.hasLine ? null : costs
    },
  }
}
