// The whole of the control plane for ts/main.ts: a supervised group of rank processes, the coordinator they connect to
// and what is known of each. Joins coordinator.ts, membership.ts and supervisor.ts; knows nothing of what ranks do.

import { systemClock, type Clock } from "./clock.ts"
import type { ClusterStatus } from "./cluster.ts"
import { createCoordinator, type RankConnection } from "./coordinator.ts"
import type { ControlError } from "./errors.ts"
import { describeExit, type RankLauncher } from "./launch.ts"
import { KNOCK_INTERVAL_MS, METRICS_INTERVAL_MS, RANK_START_TIMEOUT_MS, RANK_STOP_GRACE_MS } from "./limits.ts"
import { createMembership } from "./membership.ts"
import type { RankSpec } from "./rank-spec.ts"
import { createShrinking, type GroupLink, type ShrinkOptions } from "./shrinking.ts"
import { createSupervisor } from "./supervisor.ts"
import { tcpTransport } from "./tcp-transport.ts"
import type { Address, Transport } from "./transport.ts"

export interface RankGroupOptions {
  readonly size: number
  readonly hostnames: readonly string[]
  /** Links between all ranks, as the hostfile says. */
  readonly links?: readonly GroupLink[]
  /** Goes on with fewer ranks where some stay away. Default: waits for all of them, always. */
  readonly shrink?: ShrinkOptions | undefined
  readonly launcher: RankLauncher
  readonly secret: Uint8Array
  /** Of this program: ranks of another version are refused. */
  readonly version?: string | undefined
  /** Told to each rank process: opaque here. `members`: the ranks that start with it. */
  readonly rankOptions: (rank: number, members: readonly number[]) => unknown
  /** Where a rank reaches the coordinator, given where it listens. Default: there. */
  readonly coordinatorFor?: ((rank: number, address: Address) => Address | Promise<Address>) | undefined
  readonly deadlines?: Partial<RankGroupDeadlines> | undefined
  /** Where the coordinator listens; port 0 takes a free one. */
  readonly address?: Address
  readonly transport?: Transport
  readonly clock?: Clock
  readonly events: RankGroupEvents
}

/** Milliseconds; the defaults are those of limits.ts. */
export interface RankGroupDeadlines {
  /** A rank that says nothing for so long is lost. */
  readonly silenceMs: number
  /** From the start of a rank process to its hello. */
  readonly startMs: number
  /** From the abort of a group that has lost a rank to SIGKILL. */
  readonly abortGraceMs: number
  /** How often a rank that was left out is asked for. */
  readonly knockMs: number
}

export interface RankGroupEvents {
  /** A rank is connected; give it to whoever speaks with it. */
  joined(connection: RankConnection): void
  left(connection: RankConnection, reason: ControlError): void
  /** The group is down and starts again after `waitMs`. */
  down(reason: string, waitMs: number): void
  log(rank: number | null, level: "info" | "warn" | "error", text: string): void
}

export interface RankGroup {
  readonly address: Address
  readonly restarts: number
  /** Ranks of the current start. */
  readonly members: readonly number[]
  status(): ClusterStatus
  connection(rank: number): RankConnection | null
  /** The group serves requests: a later restart need not wait long. */
  markServing(): void
  /** Ends every rank process and starts them anew. */
  restart(reason: string): void
  /** Ends every rank process, by force after the grace. Idempotent. */
  close(graceMs?: number): Promise<void>
}

/** Listens, then starts the ranks. Rejects with ControlError listen_failed. */
export async function startRankGroup(options: RankGroupOptions): Promise<RankGroup> {
  const clock = options.clock ?? systemClock
  const { events, size } = options
  const { silenceMs, abortGraceMs } = options.deadlines ?? {}
  const { startMs = RANK_START_TIMEOUT_MS, knockMs = KNOCK_INTERVAL_MS } = options.deadlines ?? {}
  let closing: Promise<void> | null = null
  let cancelStartTimer = () => {}

  const membership = createMembership({
    size,
    clock,
    hostnames: options.hostnames,
    ...(silenceMs === undefined ? {} : { disconnectedAfterMs: silenceMs, degradedAfterMs: silenceMs / 2 }),
    onChange(member) {
      if (member.state === "disconnected" && closing === null) {
        supervisor.restart(supervisor.epoch, `rank ${member.rank}: ${member.detail}`)
      }
    },
  })

  const coordinator = await createCoordinator({
    transport: options.transport ?? tcpTransport,
    address: options.address ?? { host: "127.0.0.1", port: 0 },
    secret: options.secret,
    size,
    version: options.version,
    clock,
    // A short silence asks for frequent reports.
    ...(silenceMs === undefined ? {} : { metricsIntervalMs: Math.min(METRICS_INTERVAL_MS, silenceMs / 4) }),
    events: {
      joined(connection) {
        if (!shrinking.joined(connection.rank, connection.hostname)) return
        come.add(connection.rank)
        membership.joined(connection.rank, connection.hostname, connection.pid)
        if (membership.members().every((member) => member.state !== "starting")) cancelStartTimer()
        events.joined(connection)
      },
      heard: (rank) => membership.heard(rank),
      memory(rank, memory) {
        if (!come.has(rank)) return
        membership.memory(rank, memory)
        shrinking.memory(rank, memory)
      },
      work: (rank, work) => membership.work(rank, work),
      detail: (rank, detail) => membership.detail(rank, detail),
      log: (rank, level, text) => events.log(rank, level, text),
      left(connection, reason) {
        shrinking.left(connection.rank)
        // One that was left out, and was asked whether it is back, is lost to nobody.
        if (!shrinking.members.includes(connection.rank)) return
        if (connection.epoch === supervisor.epoch && closing === null) {
          membership.lost(connection.rank, reason.message)
        }
        events.left(connection, reason)
      },
      refused: (error) => events.log(null, "warn", `control connection refused: ${error.message}`),
    },
  }).catch((error: unknown) => {
    membership.close()
    throw error
  })

  const specOf = async (rank: number, epoch: number): Promise<RankSpec> => ({
    rank,
    size,
    epoch,
    coordinator: (await options.coordinatorFor?.(rank, coordinator.address)) ?? coordinator.address,
    secret: options.secret,
    options: options.rankOptions(rank, shrinking.members),
  })
  const shrinking = createShrinking({
    size,
    shrink: options.shrink,
    clock,
    launcher: options.launcher,
    startMs,
    knockMs,
    spec: (rank) => specOf(rank, supervisor.epoch),
    log: (level, text) => events.log(null, level, text),
    restart: (reason) => supervisor.restart(supervisor.epoch, reason),
  })
  /** Ranks of the current start that have said hello. */
  const come = new Set<number>()
  const failed = (rank: number, epoch: number, reason: string) => {
    if (epoch === supervisor.epoch && !come.has(rank)) shrinking.failed(rank, reason)
  }

  const supervisor = createSupervisor({
    launcher: options.launcher,
    clock,
    abortGraceMs,
    shortenWait: (waitMs) => shrinking.shortenWait(waitMs),
    specs: async (epoch) => await Promise.all(shrinking.members.map((rank) => specOf(rank, epoch))),
    events: {
      starting(epoch) {
        coordinator.beginEpoch(epoch)
        come.clear()
        const members = shrinking.begin()
        for (let rank = 0; rank < size; rank++) {
          if (members.includes(rank)) membership.starting(rank, "the rank process starts")
          else membership.lost(rank, `left out: ${shrinking.reason(rank)}`)
        }
        cancelStartTimer()
        cancelStartTimer = clock.after(startMs, () => {
          const late = membership.members().filter((member) => member.state === "starting")
          const reason = `did not connect within ${startMs / 1000} s`
          for (const { rank } of late) failed(rank, epoch, reason)
          supervisor.restart(epoch, `rank ${late.map((member) => member.rank).join(", ")} ${reason}`)
        })
      },
      started(process) {
        const { epoch } = supervisor
        membership.detail(process.rank, `started as process ${process.pid}`)
        void process.exited.then((exit) => failed(process.rank, epoch, describeExit(process, exit)))
      },
      aborting(_, reason) {
        shrinking.over()
        for (let rank = 0; rank < size; rank++) coordinator.connection(rank)?.abort(reason)
      },
      down(epoch, reason, waitMs) {
        cancelStartTimer()
        for (let rank = 0; rank < size; rank++) membership.lost(rank, reason)
        events.down(reason, waitMs)
      },
    },
  })

  supervisor.start()

  function links(): readonly GroupLink[] {
    const { members } = shrinking
    return (members.length < size ? options.shrink?.among(members).links : options.links) ?? []
  }

  async function close(graceMs: number): Promise<void> {
    cancelStartTimer()
    for (let rank = 0; rank < size; rank++) coordinator.connection(rank)?.shutdown(graceMs)
    await supervisor.stop(graceMs)
    await shrinking.close()
    membership.close()
    await coordinator.close()
  }

  return {
    address: coordinator.address,
    get restarts() {
      return supervisor.restarts
    },
    get members() {
      return shrinking.members
    },
    status(): ClusterStatus {
      const now = clock.now()
      const members = membership.members()
      return {
        epoch: supervisor.epoch,
        size,
        members: shrinking.members,
        nodes: members.map((member) => ({
          rank: member.rank,
          hostname: member.hostname,
          state: member.state,
          detail: member.detail,
          pid: member.pid,
          lastHeardMs: member.lastHeard === null ? null : Math.max(0, Math.round(now - member.lastHeard)),
          memory: member.memory,
          work: member.work,
        })),
        links: links().map((link) => ({
          ...link,
          active: members[link.from]?.state === "active" && members[link.to]?.state === "active",
          latencyUs: null,
          bandwidthBytesPerSecond: null,
          lastProbeMs: null,
        })),
      }
    },
    connection: (rank) => coordinator.connection(rank),
    markServing() {
      supervisor.markServing()
      shrinking.served()
    },
    restart: (reason) => supervisor.restart(supervisor.epoch, reason),
    close: (graceMs = RANK_STOP_GRACE_MS) => (closing ??= close(graceMs)),
  }
}
