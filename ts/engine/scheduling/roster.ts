// The sequences of a model instance, waiting and running, and how they leave: what becomes of their KV and what their
// request hears. Knows no step and no plan.

import type { KvMemory } from "./kv-memory.ts"
import type { PrefixCache } from "./prefix-cache.ts"
import type { RecordWriter } from "./record-writer.ts"
import type { Sequence } from "./sequence.ts"
import { createWaitingQueue, type WaitingQueue } from "./waiting-queue.ts"

type FailureCode = "internal" | "out_of_memory" | "model_not_found" | "invalid_request"

export interface Roster {
  /** In the order of admission; a new array whenever one leaves. */
  readonly running: readonly Sequence[]
  readonly waiting: WaitingQueue
  /** Sequences whose grammar compiles or whose KV comes from a disk: they are not in the queue yet. */
  readonly preparing: number
  /** Those that are ready enter the queue. */
  settle(): void
  /** Enters the queue. */
  enter(sequence: Sequence): void
  /** From the queue, which has given it, to the running ones. */
  start(sequence: Sequence): void
  /** Waiting or running. */
  inSlot(slot: number): Sequence | undefined
  numbered(number: number): Sequence | undefined
  finish(sequence: Sequence, code: number): void
  fail(sequence: Sequence, code: FailureCode): void
  /** Back to the queue without its KV, which is computed again later. */
  preempt(sequence: Sequence): void
  /** All leave; their requests hear that the model is gone, or nothing. */
  clear(tellRequests: boolean): void
}

export function createRoster(
  kv: Pick<KvMemory, "truncate" | "close">,
  cache: Pick<PrefixCache, "insert">,
  records: RecordWriter,
  left: (sequence: Sequence) => void,
): Roster {
  const waiting = createWaitingQueue()
  let running: Sequence[] = []
  const preparing = new Set<Sequence>()
  const bySlot = new Map<number, Sequence>()
  const byNumber = new Map<number, Sequence>()

  /** Takes a sequence out of everything; its KV goes to the prefix cache as far as its tokens are known. */
  function leave(sequence: Sequence, keepKv: boolean): void {
    sequence.finished = true
    running = running.filter((other) => other !== sequence)
    waiting.remove(sequence)
    preparing.delete(sequence)
    sequence.constraint?.close()
    byNumber.delete(sequence.number)
    if (bySlot.get(sequence.slot) === sequence) bySlot.delete(sequence.slot)
    left(sequence)
    if (sequence.kv < 0) return
    const length = Math.min(sequence.computed, sequence.known)
    if (keepKv && length > 0) {
      kv.truncate(sequence.kv, length)
      cache.insert(sequence.salt, sequence.ids.slice(0, length), sequence.kv)
    } else {
      kv.close(sequence.kv)
    }
    sequence.kv = -1
  }

  const isPreparing = ({ constraint, fetch }: Sequence): boolean =>
    constraint?.status === "compiling" || fetch?.isDone === false

  function fail(sequence: Sequence, code: FailureCode): void {
    records.error(sequence, code)
    leave(sequence, false)
  }

  function queue(sequence: Sequence): void {
    if (sequence.known > sequence.promptLength) waiting.pushResumed(sequence)
    else waiting.push(sequence)
  }

  return {
    get running() {
      return running
    },
    waiting,
    get preparing() {
      return preparing.size
    },
    settle() {
      for (const sequence of preparing) {
        if (isPreparing(sequence)) continue
        preparing.delete(sequence)
        if (sequence.constraint?.status === "failed") fail(sequence, "invalid_request")
        else queue(sequence)
      }
    },
    enter(sequence) {
      bySlot.set(sequence.slot, sequence)
      byNumber.set(sequence.number, sequence)
      if (isPreparing(sequence)) preparing.add(sequence)
      else queue(sequence)
    },
    start(sequence) {
      running.push(sequence)
    },
    inSlot: (slot) => bySlot.get(slot),
    numbered: (number) => byNumber.get(number),
    finish(sequence, code) {
      records.finish(sequence, code, sequence.known - sequence.promptLength)
      leave(sequence, true)
    },
    fail,
    preempt(sequence) {
      running = running.filter((other) => other !== sequence)
      if (sequence.kv >= 0) kv.close(sequence.kv)
      sequence.kv = -1
      sequence.computed = 0
      sequence.sharedTail = false
      waiting.pushPreempted(sequence)
    },
    clear(tellRequests) {
      for (const sequence of byNumber.values()) {
        if (tellRequests) fail(sequence, "model_not_found")
        else leave(sequence, false)
      }
    },
  }
}
