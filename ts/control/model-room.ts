// Whether a model fits into fewer hosts, by what its ranks last said of their memory. Knows no model: only its bytes.

import type { RankMemory } from "./cluster.ts"

export interface RankRoom {
  /** Ranks of one host share its memory. */
  readonly host: string
  readonly memory: RankMemory
}

/** Of the weights, for KV memory and activations at least. */
const HEADROOM = 1.25
const BYTES_PER_GB = 1e9

/**
 * Why the model does not fit into the hosts of `members`; null: it does, or too little is known. `ranks`: of all ranks
 * that held the model, by rank, while they did. `weights`: how large a share each of the members is to take.
 */
export function missingRoom(
  ranks: ReadonlyMap<number, RankRoom>,
  members: readonly number[],
  weights: readonly number[] = members.map(() => 1),
): string | null {
  // What every rank holds is counted once for each: the figure is on the safe side.
  const modelBytes = [...ranks.values()].reduce((sum, { memory }) => sum + memory.modelBytes, 0)
  const allWeights = weights.reduce((sum, weight) => sum + weight, 0)
  const needs = new Map<string, number>()
  for (const [at, rank] of members.entries()) {
    const host = ranks.get(rank)?.host
    if (host === undefined) return null
    const share = (weights[at] ?? 1) / allWeights
    needs.set(host, (needs.get(host) ?? 0) + modelBytes * share * HEADROOM)
  }
  for (const [host, needed] of needs) {
    const there = [...ranks.values()].filter((rank) => rank.host === host)
    // What was free, and what its ranks give back when they end.
    const free = Math.max(...there.map(({ memory }) => memory.availableBytes))
    const held = there.reduce(
      (sum, { memory }) => sum + Math.max(memory.rssBytes, memory.modelBytes + memory.kvBytes),
      0,
    )
    if (needed > free + held)
      return `the model needs ${gigabytes(needed)} on ${host}, which has ${gigabytes(free + held)}`
  }
  return null
}

function gigabytes(bytes: number): string {
  return `${(bytes / BYTES_PER_GB).toFixed(1)} GB`
}
