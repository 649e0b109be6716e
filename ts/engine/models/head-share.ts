// Which attention heads a rank has: whole groups of query heads with their KV head where there are enough groups, else
// a part of one group whose KV head several ranks keep.

import { rankShare } from "./rank-share.ts"
import type { RankPosition } from "./weight-plan.ts"

export interface HeadShare {
  /** Query heads [from, to). */
  readonly query: readonly [from: number, to: number]
  /** KV heads [from, to). */
  readonly kv: readonly [from: number, to: number]
  /** False: there are more ranks than query heads; this one repeats a head, and what it computes is not added. */
  readonly counts: boolean
}

/**
 * `queryHeads` is a multiple of `kvHeads`. Every rank has at least one head of each; rank 0's always count. Weights of
 * the ranks count where there are at least as many KV heads.
 */
export function headShare(queryHeads: number, kvHeads: number, position: RankPosition): HeadShare {
  const { rank, size } = position
  const group = queryHeads / kvHeads
  if (size <= kvHeads) {
    const [from, to] = rankShare(kvHeads, position)
    return { query: [from * group, to * group], kv: [from, to], counts: true }
  }
  const groupOf = (one: number): number => Math.floor((one * kvHeads) / size)
  const own = groupOf(rank)
  const ranks = Array.from({ length: size }, (_, one) => one).filter((one) => groupOf(one) === own)
  const place = ranks.indexOf(rank)
  const [from, to] = [Math.ceil((place * group) / ranks.length), Math.ceil(((place + 1) * group) / ranks.length)]
  const first = own * group
  const query = from < to ? ([first + from, first + to] as const) : ([first, first + 1] as const)
  return { query, kv: [own, own + 1], counts: from < to }
}
