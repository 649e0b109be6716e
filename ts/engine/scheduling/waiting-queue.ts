// Sequences that wait for memory or a place: clients take turns, each client's own in the order they came; those that ran
// before come before all others. Knows no KV.

import type { Sequence } from "./sequence.ts"

export interface WaitingQueue {
  readonly size: number
  push(sequence: Sequence): void
  /** Back in front of everything: it was running. */
  pushPreempted(sequence: Sequence): void
  /** Behind the preempted ones and before all others: its answer has begun, in another slot or another process. */
  pushResumed(sequence: Sequence): void
  /** Whose turn it is. */
  peek(): Sequence | undefined
  /** Takes what peek gave and moves its client to the end of the round. */
  take(): void
  remove(sequence: Sequence): void
}

export function createWaitingQueue(): WaitingQueue {
  const preempted: Sequence[] = []
  /** In the order of turns; a client without waiting sequences has no entry. */
  const clients = new Map<number, Sequence[]>()

  const first = (): [number, Sequence[]] | undefined => clients.entries().next().value

  return {
    get size() {
      let count = preempted.length
      for (const sequences of clients.values()) count += sequences.length
      return count
    },
    push(sequence) {
      const own = clients.get(sequence.client)
      if (own === undefined) clients.set(sequence.client, [sequence])
      else own.push(sequence)
    },
    pushPreempted(sequence) {
      // The newest is preempted first, so that the oldest of them ends up in front.
      preempted.unshift(sequence)
    },
    pushResumed: (sequence) => void preempted.push(sequence),
    peek: () => preempted[0] ?? first()?.[1][0],
    take() {
      if (preempted.shift() !== undefined) return
      const turn = first()
      if (turn === undefined) return
      const [client, sequences] = turn
      sequences.shift()
      clients.delete(client)
      if (sequences.length > 0) clients.set(client, sequences)
    },
    remove(sequence) {
      const own = clients.get(sequence.client)
      for (const list of own === undefined ? [preempted] : [preempted, own]) {
        const at = list.indexOf(sequence)
        if (at >= 0) list.splice(at, 1)
      }
      if (own?.length === 0) clients.delete(sequence.client)
    },
  }
}
