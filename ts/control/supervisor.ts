// Keeps a group of rank processes running: starts all of them, and when one dies ends the others and starts all anew,
// with a new epoch and growing waits. A group is restarted whole: collectives do not survive the loss of a rank.

import type { Clock } from "./clock.ts"
import { messageOf } from "./errors.ts"
import { describeExit, type RankLauncher, type RankProcess } from "./launch.ts"
import {
  EXIT_INFO_MS,
  RANK_ABORT_GRACE_MS,
  RESTART_BACKOFF_MS,
  SERVING_FAILURES_MAX,
  STABLE_AFTER_MS,
} from "./limits.ts"
import type { RankSpec } from "./rank-spec.ts"

export interface SupervisorEvents {
  /** Before the processes of an epoch start. */
  starting(epoch: number): void
  started(process: RankProcess): void
  /** The epoch is over; its processes are told to leave at once, and killed after the grace. */
  aborting?(epoch: number, reason: string): void
  /** All processes of the epoch are gone; the next start is after `waitMs`. */
  down(epoch: number, reason: string, waitMs: number): void
}

export interface SupervisorOptions {
  readonly launcher: RankLauncher
  readonly specs: (epoch: number) => readonly RankSpec[] | Promise<readonly RankSpec[]>
  /** From the abort of a group to SIGKILL. Default RANK_ABORT_GRACE_MS. */
  readonly abortGraceMs?: number | undefined
  /** What is left of a wait before the next start, where there is a reason to start sooner. */
  readonly shortenWait?: ((waitMs: number) => number) | undefined
  readonly clock: Clock
  readonly events: SupervisorEvents
}

export interface Supervisor {
  readonly epoch: number
  /** Epochs so far, less one. */
  readonly restarts: number
  start(): void
  /** The group serves: its next restart will be quick. */
  markServing(): void
  /** Ends an epoch for a reason that its processes do not know of (silence). Older epochs are ignored. */
  restart(epoch: number, reason: string): void
  /** Ends all processes, by force after the grace, and starts none again. Idempotent. */
  stop(graceMs: number): Promise<void>
}

export function createSupervisor(options: SupervisorOptions): Supervisor {
  const { clock, events } = options
  let epoch = 0
  let serving = false
  let failures = 0
  let running: Promise<void> | null = null
  /** Set by stop: how long the processes may take. */
  let stopGraceMs: number | null = null
  let interrupt: (reason: string) => void = () => {}
  const processes: RankProcess[] = []

  /** Resolves with the reason why the epoch is over. */
  async function runEpoch(): Promise<string> {
    const interrupted = new Promise<string>((resolve) => {
      interrupt = resolve
    })
    events.starting(epoch)
    try {
      for (const spec of await options.specs(epoch)) {
        const process = await options.launcher.launch(spec)
        processes.push(process)
        events.started(process)
        if (stopGraceMs !== null) return "stopped"
      }
    } catch (error) {
      return messageOf(error)
    }
    const exits = processes.map(async (process) => describeExit(process, await process.exited))
    const reason = await Promise.race([interrupted, ...exits])
    if (stopGraceMs !== null) return reason
    // A closed connection is often seen before the exit that caused it: the exit says more.
    return await Promise.race([
      ...exits,
      new Promise<string>((resolve) => clock.after(EXIT_INFO_MS, () => resolve(reason))),
    ])
  }

  async function endProcesses(graceMs: number): Promise<void> {
    await Promise.all(processes.splice(0).map((process) => process.stop(graceMs)))
  }

  async function pause(waitMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = clock.after(waitMs, resolve)
      interrupt = () => {
        cancel()
        resolve()
      }
    })
  }

  async function run(): Promise<void> {
    for (;;) {
      if (stopGraceMs !== null) return
      epoch += 1
      serving = false
      const startedAt = clock.now()
      const reason = await runEpoch()
      if (stopGraceMs === null) events.aborting?.(epoch, reason)
      await endProcesses(stopGraceMs ?? options.abortGraceMs ?? RANK_ABORT_GRACE_MS)
      if (stopGraceMs !== null) return
      if (clock.now() - startedAt >= STABLE_AFTER_MS) failures = 0
      if (serving) failures = Math.min(failures, SERVING_FAILURES_MAX)
      const plannedMs = RESTART_BACKOFF_MS[Math.min(failures, RESTART_BACKOFF_MS.length - 1)] ?? 0
      const waitMs = options.shortenWait?.(plannedMs) ?? plannedMs
      failures += 1
      events.down(epoch, reason, waitMs)
      if (waitMs > 0) await pause(waitMs)
    }
  }

  return {
    get epoch() {
      return epoch
    },
    get restarts() {
      return Math.max(0, epoch - 1)
    },
    start() {
      running ??= run()
    },
    markServing() {
      serving = true
    },
    restart(ofEpoch, reason) {
      if (ofEpoch === epoch) interrupt(reason)
    },
    async stop(graceMs) {
      stopGraceMs ??= graceMs
      interrupt("stopped")
      await running
    },
  }
}
