// The end of a server process: first signal begins it, a second one hurries it.

export interface Signals {
  /** Resolves with the name of the first SIGTERM or SIGINT. */
  readonly first: Promise<NodeJS.Signals>
  /** Resolves when a second one comes. */
  readonly second: Promise<void>
  close(): void
}

export function watchSignals(): Signals {
  let onFirst: (signal: NodeJS.Signals) => void = () => {}
  let onSecond: () => void = () => {}
  let count = 0
  const first = new Promise<NodeJS.Signals>((resolve) => {
    onFirst = resolve
  })
  const second = new Promise<void>((resolve) => {
    onSecond = resolve
  })
  const onSignal = (signal: NodeJS.Signals) => {
    count += 1
    if (count === 1) onFirst(signal)
    else onSecond()
  }
  process.on("SIGTERM", onSignal)
  process.on("SIGINT", onSignal)
  return {
    first,
    second,
    close() {
      process.off("SIGTERM", onSignal)
      process.off("SIGINT", onSignal)
    },
  }
}
