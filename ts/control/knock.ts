// Finds out whether ranks that were left out have come back: starts the process of each now and then. One that says hello
// is there, and is ended again. Knows neither why they were left out nor what follows.

import type { Clock } from "./clock.ts"
import type { RankLauncher, RankProcess } from "./launch.ts"
import type { RankSpec } from "./rank-spec.ts"

export interface KnockOptions {
  readonly launcher: RankLauncher
  readonly clock: Clock
  readonly everyMs: number
  /** From the start of a process to its hello. */
  readonly startMs: number
  readonly spec: (rank: number) => Promise<RankSpec>
}

export interface Knock {
  /** From now on these are asked for; none: it rests. Processes of before are ended. */
  at(ranks: readonly number[]): void
  /** The process of such a rank has said hello. */
  answered(rank: number): void
  /** No process is left when it resolves. */
  close(): Promise<void>
}

export function createKnock({ launcher, clock, everyMs, startMs, spec }: KnockOptions): Knock {
  const asked = new Map<number, RankProcess | null>()
  const ending = new Set<Promise<unknown>>()
  let wanted: readonly number[] = []
  let stopTimer = () => {}

  function end(rank: number): void {
    const process = asked.get(rank)
    asked.delete(rank)
    if (process === undefined || process === null) return
    const ended = process.stop(0).finally(() => ending.delete(ended))
    ending.add(ended)
  }

  async function ask(rank: number): Promise<void> {
    if (asked.has(rank)) return
    asked.set(rank, null)
    try {
      const process = await launcher.launch(await spec(rank))
      // It may be too late for it.
      const isWanted = asked.get(rank) === null && wanted.includes(rank)
      asked.set(rank, process)
      if (!isWanted) return end(rank)
      const cancel = clock.after(startMs, () => end(rank))
      await process.exited
      cancel()
      if (asked.get(rank) === process) asked.delete(rank)
    } catch {
      asked.delete(rank)
    }
  }

  function at(ranks: readonly number[]): void {
    stopTimer()
    stopTimer = () => {}
    for (const rank of asked.keys()) end(rank)
    wanted = ranks
    if (ranks.length === 0) return
    stopTimer = clock.every(everyMs, () => {
      for (const rank of wanted) void ask(rank)
    })
  }

  return {
    at,
    answered(rank) {
      wanted = wanted.filter((one) => one !== rank)
      end(rank)
    },
    async close() {
      at([])
      await Promise.all(ending)
    },
  }
}
