// How a count of things (heads, quantization groups) is divided over the ranks: evenly, or by the weight of each rank.

import type { RankPosition, Share } from "./weight-plan.ts"

/** [from, to) of `units` that this rank has. With at least as many units as ranks, every rank has one. */
export function rankShare(units: number, { rank, size, weights }: RankPosition): Share {
  if (weights === undefined) return [Math.floor((rank * units) / size), Math.floor(((rank + 1) * units) / size)]
  const counts = countsOf(units, weights)
  const from = counts.slice(0, rank).reduce((sum, count) => sum + count, 0)
  return [from, from + (counts[rank] ?? 0)]
}

/** One for each, as far as they go; the rest in proportion, by largest remainder. */
function countsOf(units: number, weights: readonly number[]): number[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const counts: number[] = weights.map((_, rank) => (rank < units ? 1 : 0))
  for (let left = units - weights.length; left > 0; left--) {
    const needs = counts.map((count, rank) => ((weights[rank] ?? 0) / total) * units - count)
    const most = needs.indexOf(Math.max(...needs))
    counts[most] = (counts[most] ?? 0) + 1
  }
  return counts
}

export interface CountedShare {
  readonly share: Share
  /** False: there are more ranks than units; this one repeats the first, and what it computes is not added. */
  readonly counts: boolean
}

/** As rankShare, but no rank is left with nothing to compute. */
export function countedShare(units: number, position: RankPosition): CountedShare {
  if (units >= position.size) return { share: rankShare(units, position), counts: true }
  return position.rank < units
    ? { share: [position.rank, position.rank + 1], counts: true }
    : { share: [0, 1], counts: false }
}
