// Which ranks have stayed away so long that the others go on without them. Knows no processes and no sockets; time is
// given.

import type { Clock } from "./clock.ts"

export interface AbsenceOptions {
  readonly size: number
  /** A rank that is away for so long is left out; null: none ever is. */
  readonly afterMs: number | null
  readonly clock: Clock
  /** Why these ranks alone cannot serve; null: they can. */
  readonly obstacle: (members: readonly number[]) => string | null
  /** Why nobody is left out although it is time; said once for each reason. */
  readonly refused: (reason: string) => void
}

export interface Absence {
  /** Ranks that the next start is for: all, or all but those that stay away. Rank 0 is where the front is. */
  members(): readonly number[]
  /** The whole group has served: from now on ranks may be left out. */
  served(): void
  /** It is there. */
  joined(rank: number): void
  /** It was there until now. */
  left(rank: number): void
  /** It was started and did not come. */
  failed(rank: number, reason: string): void
  /** The others cannot serve without those that were left out: they are waited for anew. */
  insist(): void
  /** Why a rank does not come. */
  reason(rank: number): string
  /** Until the first rank that did not come is left out; null: none waits for that. */
  dueMs(): number | null
}

interface Away {
  /** Of the clock: when it was there last. */
  readonly since: number
  readonly reason: string
}

export function createAbsence({ size, afterMs, clock, obstacle, refused }: AbsenceOptions): Absence {
  const everybody = Array.from({ length: size }, (_, rank) => rank)
  const lastThere = new Map<number, number>()
  const away = new Map<number, Away>()
  let mayShrink = false
  let lastRefusal = ""

  const leftMs = ({ since }: Away) => since + (afterMs ?? Infinity) - clock.now()

  return {
    members() {
      if (!mayShrink) return everybody
      const members = everybody.filter((rank) => {
        const found = away.get(rank)
        return found === undefined || leftMs(found) > 0
      })
      if (members.length === size) return everybody
      const reason = obstacle(members)
      if (reason === null) return members
      if (reason !== lastRefusal) refused(reason)
      lastRefusal = reason
      return everybody
    },
    served() {
      mayShrink = afterMs !== null
      lastRefusal = ""
    },
    joined: (rank) => void away.delete(rank),
    left: (rank) => void lastThere.set(rank, clock.now()),
    failed(rank, reason) {
      if (rank === 0) return
      const since = away.get(rank)?.since ?? lastThere.get(rank) ?? clock.now()
      away.set(rank, { since, reason })
    },
    insist() {
      for (const [rank, { reason }] of away) away.set(rank, { since: clock.now(), reason })
    },
    reason: (rank) => away.get(rank)?.reason ?? "",
    dueMs() {
      if (!mayShrink) return null
      const waits = [...away.values()].map(leftMs).filter((ms) => ms > 0)
      return waits.length === 0 ? null : Math.min(...waits)
    },
  }
}
