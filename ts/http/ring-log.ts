// The newest N entries, oldest first. Memory is bounded by N.

export interface RingLog<T> {
  push(entry: T): void
  /** A copy, oldest first. */
  list(): T[]
}

export function createRingLog<T>(capacity: number): RingLog<T> {
  const entries: T[] = []
  let next = 0
  return {
    push(entry) {
      entries[next] = entry
      next = (next + 1) % capacity
    },
    list: () => (entries.length < capacity ? [...entries] : [...entries.slice(next), ...entries.slice(0, next)]),
  }
}
