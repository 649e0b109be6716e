// Which waiting sequences join the running ones, and the KV they begin with. Admitted is what fits beside what the
// running ones are sure to need. Knows no step plan.

import type { KvMemory } from "./kv-memory.ts"
import type { KvRoom } from "./kv-room.ts"
import type { PrefixCache } from "./prefix-cache.ts"
import type { RecordWriter } from "./record-writer.ts"
import type { Roster } from "./roster.ts"
import { hasSamePrompt, isPrefilling, lengthOf, markStarted, remainingOf, type Sequence } from "./sequence.ts"

export interface Admission {
  /** Admits sequences until `budget` prompt tokens are to be computed. */
  admit(budget: number): void
  /** Gives their KV to admitted sequences that waited for a twin's prompt, if it is computed. */
  attachTwins(): void
}

/** Prompts are admitted ahead of the token budget only up to so many at a time. */
const MIN_PREFILLING = 4

export function createAdmission(
  maxRunning: number,
  roster: Roster,
  room: KvRoom,
  kv: Pick<KvMemory, "open" | "fork">,
  cache: Pick<PrefixCache, "lookup">,
  records: Pick<RecordWriter, "started">,
  nowUs: () => number,
): Admission {
  const { waiting } = roster

  /** Whether the next in the queue fits beside the running ones; fails it when it never can. */
  function fits(sequence: Sequence): boolean {
    const needed = room.blocks(lengthOf(sequence) + 1)
    let held = 0
    let reserved = 0
    for (const other of roster.running) {
      held += room.blocks(lengthOf(other) + 1)
      reserved += room.blocksToReach(other, lengthOf(other) + 1)
    }
    // Cached KV is given up only for a sequence that then fits.
    if (roster.running.length > 0 && needed + held > room.blocksTotal) return room.blocksFree >= needed + reserved
    return room.evictUntil(needed + reserved)
  }

  /**
   * Gives an admitted sequence its KV: what a running one of the same prompt has computed, or else the prefix cache.
   * False: its twin is still at the prompt, and it waits for it; one prompt is computed once for all its choices.
   */
  function attach(sequence: Sequence): boolean {
    // One token at least is run: its logits are the answer.
    const most = sequence.known - 1
    const shared = Math.min(sequence.promptLength, most)
    const twin =
      shared > 0 ? roster.running.find((other) => other.kv >= 0 && hasSamePrompt(other, sequence)) : undefined
    if (twin !== undefined && twin.computed < shared) return false
    const hit = twin === undefined ? cache.lookup(sequence.salt, sequence.ids, most) : null
    sequence.computed = twin === undefined ? (hit?.length ?? 0) : shared
    sequence.kv = twin === undefined ? (hit?.kv ?? kv.open()) : kv.fork(twin.kv, shared)
    sequence.otherwise = hit?.otherwise ?? -1
    sequence.sharedTail = room.endsInsideBlock(sequence.computed)
    if (twin !== undefined && room.endsInsideBlock(twin.computed) && room.blocks(shared) === room.blocks(twin.computed))
      twin.sharedTail = true
    if (markStarted(sequence, nowUs())) records.started(sequence)
    return true
  }

  return {
    admit(budget) {
      let tokens = 0
      let prefilling = 0
      for (const sequence of roster.running.filter(isPrefilling)) {
        tokens += remainingOf(sequence)
        prefilling++
      }
      while (roster.running.length < maxRunning && (tokens < budget || prefilling < MIN_PREFILLING)) {
        const sequence = waiting.peek()
        if (sequence === undefined || sequence.pending > 0) return
        if (!fits(sequence)) {
          if (roster.running.length > 0) return
          roster.fail(sequence, "out_of_memory")
          continue
        }
        waiting.take()
        const hasKv = attach(sequence)
        roster.start(sequence)
        if (!hasKv) continue
        tokens += remainingOf(sequence)
        prefilling++
      }
    },
    attachTwins() {
      for (const sequence of roster.running) if (sequence.kv < 0) attach(sequence)
    },
  }
}
