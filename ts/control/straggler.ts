// Which rank the others wait for: the slowest one comes last to every collective and waits least in it.

import type { ClusterWaiting } from "./cluster.ts"

export interface RankWork {
  /** Microseconds in collectives since the group's start, waiting for other ranks included. */
  readonly collectiveUs: number
}

/** Shorter stretches of work say nothing. */
const PERIOD_US = 2_000_000
/** The straggler waits less than this share of what the others do, */
const STRAGGLER_SHARE = 0.5
/** where they wait for at least this share of the time. */
const WAITING_SHARE = 0.1

export interface StragglerMeter {
  update(ranks: readonly RankWork[], nowUs: number): void
  /** null: too little work so far. */
  read(): ClusterWaiting | null
  reset(): void
}

export function createStragglerMeter(): StragglerMeter {
  let begun: { readonly us: readonly number[]; readonly at: number } | null = null
  let last: ClusterWaiting | null = null
  return {
    update(ranks, nowUs) {
      const us = ranks.map((rank) => rank.collectiveUs)
      const since = begun
      if (since === null || since.us.length !== us.length) {
        begun = { us, at: nowUs }
        return
      }
      const periodUs = nowUs - since.at
      if (periodUs < PERIOD_US) return
      begun = { us, at: nowUs }
      const shares = us.map((value, rank) => Math.min(1, Math.max(0, (value - (since.us[rank] ?? 0)) / periodUs)))
      const least = Math.min(...shares)
      const rest = shares.filter((share) => share !== least)
      const isClear = rest.length === shares.length - 1 && rest.every((share) => least < share * STRAGGLER_SHARE)
      const waits = Math.min(...rest) >= WAITING_SHARE
      last = { shares, straggler: isClear && waits ? shares.indexOf(least) : null }
    },
    read: () => last,
    reset() {
      begun = null
      last = null
    },
  }
}
