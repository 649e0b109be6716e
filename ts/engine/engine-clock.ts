// Time as the text half sees it. Tests give their own.

export interface EngineClock {
  /** Monotonic milliseconds. */
  now(): number
  /** Calls once after `ms`; the result cancels it. */
  after(ms: number, action: () => void): () => void
}

export const systemEngineClock: EngineClock = {
  now: () => performance.now(),
  after(ms, action) {
    const timer = setTimeout(action, ms)
    return () => clearTimeout(timer)
  },
}
