// How many connections are open, and whether one more is taken. Knows no server.

import { LIMITS } from "./limits.ts"

export interface ConnectionCount {
  readonly open: number
  /** Above the bound: requests are answered 503, so that a client hears why, and their connections end. */
  readonly crowded: boolean
  /** False: nobody can be told any more; cut it. `closed` is owed all the same. */
  opened(): boolean
  closed(): void
}

export function createConnectionCount(bound: number): ConnectionCount {
  let open = 0
  return {
    get open() {
      return open
    },
    get crowded() {
      return open > bound
    },
    opened() {
      open++
      return open <= bound + LIMITS.refusedConnections
    },
    closed() {
      open--
    },
  }
}
