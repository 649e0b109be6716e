// Where the token half of the engine runs, seen from the front: a link to it, what is known of the ranks, and an end.
// Two implementations: process-isolation.ts and thread-isolation.ts.

import type { ClusterStatus } from "./control/index.ts"
import type { EngineLink } from "./engine/index.ts"

export interface Isolation {
  readonly link: EngineLink
  cluster(): ClusterStatus
  /** The engine serves: after a crash it may come back at once. */
  markServing(): void
  /** Ends every rank process and starts them anew, where they are processes. */
  restart(reason: string): void
  /** Ends every rank. Idempotent. */
  close(graceMs: number): Promise<void>
}

export interface IsolationEvents {
  /** The ranks are down; they start again by themselves. `attempt` counts failures since they last served. */
  down(reason: string, attempt: number): void
  /** The token half has ended and does not start again. */
  ended(reason: string): void
  /** A line for the log of the front. */
  log(line: string): void
}
