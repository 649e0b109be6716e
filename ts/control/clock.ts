// Time as the control plane sees it: monotonic milliseconds and timers. The manual clock moves only when told to.

export interface Clock {
  /** Monotonic milliseconds. */
  now(): number
  /** Calls once after `ms`; the result cancels it. */
  after(ms: number, action: () => void): () => void
  /** Calls every `ms` until cancelled. */
  every(ms: number, action: () => void): () => void
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, action) {
    const timer = setTimeout(action, ms)
    return () => clearTimeout(timer)
  },
  every(ms, action) {
    const timer = setInterval(action, ms)
    return () => clearInterval(timer)
  },
}

export interface ManualClock extends Clock {
  /** Runs what falls due in the next `ms`, in order of time. */
  advance(ms: number): void
  /** Lets time pass without running anything: a paused process. */
  jump(ms: number): void
}

interface Timer {
  due: number
  readonly period: number | null
  readonly action: () => void
}

export function createManualClock(): ManualClock {
  let time = 0
  const timers = new Set<Timer>()
  const add = (ms: number, period: number | null, action: () => void) => {
    const timer: Timer = { due: time + ms, period, action }
    timers.add(timer)
    return () => {
      timers.delete(timer)
    }
  }
  const nextDue = (end: number) => {
    let next: Timer | undefined
    for (const timer of timers) if (timer.due <= end && (next === undefined || timer.due < next.due)) next = timer
    return next
  }
  return {
    now: () => time,
    after: (ms, action) => add(ms, null, action),
    every: (ms, action) => add(ms, ms, action),
    advance(ms) {
      const end = time + ms
      for (let timer = nextDue(end); timer !== undefined; timer = nextDue(end)) {
        time = Math.max(time, timer.due)
        if (timer.period === null) timers.delete(timer)
        else timer.due = time + timer.period
        timer.action()
      }
      time = end
    },
    jump(ms) {
      time += ms
    },
  }
}
