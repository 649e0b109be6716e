// The KV sequences of a draft model, one for each sequence that it proposes for. Knows no arrays.
//
// What the draft computed for its own tokens stays right as far as the model took them: that is seen by comparing, so
// that nothing need be told when tokens are refused, a step is taken back or a sequence is preempted.

import type { KvSequences, PrefixCache, Sequence } from "../scheduling/index.ts"
import { hasSamePrompt } from "../scheduling/index.ts"

interface Own {
  readonly kv: number
  /** Positions whose tokens were known when their KV was computed. */
  base: number
  /** The draft's own tokens behind them. */
  tail: Int32Array
}

export interface DraftKv {
  /** Its KV sequence and the positions of it that are right; the last known token is not among them. */
  attach(sequence: Sequence): { readonly kv: number; readonly computed: number }
  /** KV of positions below `base` is computed, and behind it that of `tail`. */
  computed(sequence: Sequence, base: number, tail: Int32Array): void
  /** To the prefix cache. */
  leave(sequence: Sequence): void
  clear(): void
}

const NOTHING = new Int32Array(0)

export function createDraftKv(kv: KvSequences, cache: PrefixCache): DraftKv {
  const owned = new Map<Sequence, Own>()

  function rightOf({ ids, known }: Sequence, { base, tail }: Own): number {
    let right = 0
    while (right < tail.length && base + right < known && tail[right] === ids[base + right]) right++
    return base + right
  }

  function open(sequence: Sequence): Own {
    const most = sequence.known - 1
    const shared = Math.min(sequence.promptLength, most)
    for (const [other, own] of owned) {
      if (shared === 0 || own.base < shared || !hasSamePrompt(other, sequence)) continue
      return { kv: kv.fork(own.kv, shared), base: shared, tail: NOTHING }
    }
    const hit = cache.lookup(sequence.salt, sequence.ids, most)
    return { kv: hit?.kv ?? kv.open(), base: hit?.length ?? 0, tail: NOTHING }
  }

  return {
    attach(sequence) {
      const own = owned.get(sequence) ?? open(sequence)
      owned.set(sequence, own)
      return { kv: own.kv, computed: Math.min(rightOf(sequence, own), sequence.known - 1) }
    },
    computed(sequence, base, tail) {
      const own = owned.get(sequence)
      if (own !== undefined) Object.assign(own, { base, tail })
    },
    leave(sequence) {
      const own = owned.get(sequence)
      if (own === undefined) return
      owned.delete(sequence)
      const length = rightOf(sequence, own)
      if (length === 0) {
        kv.close(own.kv)
        return
      }
      kv.truncate(own.kv, length)
      cache.insert(sequence.salt, sequence.ids.slice(0, length), own.kv)
    },
    clear() {
      for (const { kv: one } of owned.values()) kv.close(one)
      owned.clear()
      cache.clear()
    },
  }
}
