// How much came in each of the last N seconds. Time is given by the caller, in monotonic milliseconds.

export interface RateHistory {
  add(amount: number, nowMs: number): void
  /** The last N complete seconds, oldest first. */
  seconds(nowMs: number): number[]
  /** Most in one complete second since the start. */
  peak(nowMs: number): number
}

export function createRateHistory(length: number): RateHistory {
  // One bucket more than is shown: the running second is not complete.
  const buckets = new Float64Array(length + 1)
  let current = 0
  let highest = 0

  const advance = (nowMs: number) => {
    const second = Math.floor(nowMs / 1000)
    if (second <= current) return
    highest = Math.max(highest, buckets[current % buckets.length] ?? 0)
    const steps = Math.min(second - current, buckets.length)
    for (let step = 1; step <= steps; step++) buckets[(second - steps + step) % buckets.length] = 0
    current = second
  }

  return {
    add(amount, nowMs) {
      advance(nowMs)
      const index = current % buckets.length
      buckets[index] = (buckets[index] ?? 0) + amount
    },
    seconds(nowMs) {
      advance(nowMs)
      return Array.from({ length }, (_, age) => buckets[(current + 1 + age) % buckets.length] ?? 0)
    },
    peak(nowMs) {
      advance(nowMs)
      return highest
    },
  }
}
