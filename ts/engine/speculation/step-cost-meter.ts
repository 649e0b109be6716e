// Learns what a step and a pass of the proposer cost. Knows no clock.
//
// Times of a busy machine are the true ones and now and then much more, in stretches: of each number of rows the lower
// quartile of its last times counts, and for numbers that have not been seen a line through these, the older ones with
// less weight. Kernels work on tiles of rows: steps do not cost the same for each row.

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
  pass(us: number): void
  /** Null: not known yet. */
  readonly costs: StepCosts | null
}

interface Times {
  add(us: number): void
  readonly count: number
  /** Lower quartile. */
  readonly typicalUs: number
}

function createTimes(): Times {
  const times: number[] = []
  let next = 0
  let typicalUs = 0
  return {
    get count() {
      return times.length
    },
    add(us) {
      times[next++ % TIMES_KEPT] = us
      const sorted = times.toSorted((a, b) => a - b)
      typicalUs = sorted[Math.floor((sorted.length - 1) / 4)] ?? us
    },
    get typicalUs() {
      return typicalUs
    },
  }
}

export function createStepCostMeter(): StepCostMeter {
  /** By their rows, least recently seen first. */
  const groups = new Map<number, { readonly times: Times; seen: number }>()
  const passes = createTimes()
  let steps = 0
  let line: { readonly fixedUs: number; readonly rowUs: number } | null = null

  function fit(): void {
    let [weights, rowsSum, usSum] = [0, 0, 0]
    const points = [...groups].map(([rows, { times, seen }]) => {
      const weight = AGEING ** (steps - seen)
      weights += weight
      rowsSum += weight * rows
      usSum += weight * times.typicalUs
      return { rows, us: times.typicalUs, weight }
    })
    const [meanRows, meanUs] = [rowsSum / weights, usSum / weights]
    let [variance, covariance] = [0, 0]
    for (const { rows, us, weight } of points) {
      variance += weight * (rows - meanRows) ** 2
      covariance += weight * (rows - meanRows) * (us - meanUs)
    }
    if (variance === 0) return
    // No row is free, and none costs more than a step of its own.
    const rowUs = Math.min(Math.max(covariance / variance, 0.01 * meanUs), meanUs / meanRows)
    line = { rowUs, fixedUs: Math.max(0, meanUs - meanRows * rowUs) }
  }

  function stepUs(rows: number): number {
    const times = groups.get(rows)?.times
    if (times !== undefined && times.count >= LEAST_TIMES) return times.typicalUs
    return line === null ? 0 : line.fixedUs + rows * line.rowUs
  }

  return {
    step(rows, us) {
      const group = groups.get(rows) ?? { times: createTimes(), seen: 0 }
      groups.delete(rows)
      groups.set(rows, group)
      group.times.add(us)
      group.seen = ++steps
      const [oldest] = groups.keys()
      if (groups.size > MOST_GROUPS && oldest !== undefined) groups.delete(oldest)
      fit()
    },
    pass: (us) => passes.add(us),
    get costs() {
      return steps < LEAST_STEPS || line === null ? null : { stepUs, passUs: passes.typicalUs }
    },
  }
}
