// Counts KV blocks: what a step takes, what is free, and cached KV given up for it. Knows no queue and no plan.

import type { KvMemory } from "./kv-memory.ts"
import type { PrefixCache } from "./prefix-cache.ts"
import type { Sequence } from "./sequence.ts"

export interface KvRoom {
  readonly blocksTotal: number
  readonly blocksFree: number
  /** Blocks that hold so many positions. */
  blocks(positions: number): number
  /** A sequence of this length shares its last block when it is forked. */
  endsInsideBlock(positions: number): boolean
  /** Blocks that writing up to `length` takes. */
  blocksToReach(sequence: Sequence, length: number): number
  /** Frees cached KV until `needed` blocks are free. False: there is not enough of it. */
  evictUntil(needed: number): boolean
}

export function createKvRoom(kv: Pick<KvMemory, "use">, cache: Pick<PrefixCache, "evict">): KvRoom {
  const { blockPositions, blocksTotal } = kv.use()
  const blocks = (positions: number): number => Math.ceil(positions / blockPositions)
  const blocksFree = (): number => blocksTotal - kv.use().blocksUsed

  return {
    blocksTotal,
    get blocksFree() {
      return blocksFree()
    },
    blocks,
    endsInsideBlock: (positions) => positions % blockPositions !== 0,
    blocksToReach: (sequence, length) => blocks(length) - blocks(sequence.computed) + (sequence.sharedTail ? 1 : 0),
    evictUntil(needed) {
      while (blocksFree() < needed) if (!cache.evict()) return false
      return true
    },
  }
}
