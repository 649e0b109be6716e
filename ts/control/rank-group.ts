// The whole of the control plane for ts/main.ts: a supervised group of rank processes, the coordinator they connect to
// and what is known of each. Joins coordinator.ts, membership.ts and supervisor.ts; knows nothing of what ranks do.

import { systemClock, type Clock } from "./clock.ts"
import type { ClusterStatus, LinkStatus } from "./cluster.ts"
import { createCoordinator, type RankConnection } from "./coordinator.ts"
import type { ControlError } from "./errors.ts"
import type { RankLauncher } from "./launch.ts"
import { METRICS_INTERVAL_MS, RANK_START_TIMEOUT_MS, RANK_STOP_GRACE_MS } from "./limits.ts"
import { createMembership } from "./membership.ts"
import { createSupervisor } from "./supervisor.ts"
import { tcpTransport } from "./tcp-transport.ts"
import type { Address, Transport } from "./transport.ts"

export interface RankGroupOptions {
  readonly size: number
  readonly hostnames: readonly string[]
  /** Links between the ranks, as the hostfile says. */
  readonly links?: readonly Pick<LinkStatus, "from" | "to" | "transport" | "device">[]
  readonly launcher: RankLauncher
  readonly secret: Uint8Array
  /** Of this program: ranks of another version are refused. */
  readonly version?: string | undefined
  /** Told to each rank process: opaque here. */
  readonly rankOptions: (rank: number) => unknown
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
  const { silenceMs, abortGraceMs, startMs = RANK_START_TIMEOUT_MS } = options.deadlines ?? {}
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
        membership.joined(connection.rank, connection.hostname, connection.pid)
        if (membership.members().every((member) => member.state !== "starting")) cancelStartTimer()
        events.joined(connection)
      },
      heard: (rank) => membership.heard(rank),
      memory: (rank, memory) => membership.memory(rank, memory),
      work: (rank, work) => membership.work(rank, work),
      detail: (rank, detail) => membership.detail(rank, detail),
      log: (rank, level, text) => events.log(rank, level, text),
      left(connection, reason) {
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

  const supervisor = createSupervisor({
    launcher: options.launcher,
    clock,
    abortGraceMs,
    specs: async (epoch) =>
      await Promise.all(
        Array.from({ length: size }, async (_, rank) => ({
          rank,
          size,
          epoch,
          coordinator: (await options.coordinatorFor?.(rank, coordinator.address)) ?? coordinator.address,
          secret: options.secret,
          options: options.rankOptions(rank),
        })),
      ),
    events: {
      starting(epoch) {
        coordinator.beginEpoch(epoch)
        for (let rank = 0; rank < size; rank++) membership.starting(rank, "the rank process starts")
        cancelStartTimer()
        cancelStartTimer = clock.after(startMs, () => {
          const late = membership.members().filter((member) => member.state === "starting")
          supervisor.restart(
            epoch,
            `rank ${late.map((member) => member.rank).join(", ")} did not connect within ${startMs / 1000} s`,
          )
        })
      },
      started: (process) => membership.detail(process.rank, `started as process ${process.pid}`),
      aborting(_, reason) {
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

  async function close(graceMs: number): Promise<void> {
    cancelStartTimer()
    for (let rank = 0; rank < size; rank++) coordinator.connection(rank)?.shutdown(graceMs)
    await supervisor.stop(graceMs)
    membership.close()
    await coordinator.close()
  }

  return {
    address: coordinator.address,
    get restarts() {
      return supervisor.restarts
    },
    status(): ClusterStatus {
      const now = clock.now()
      const members = membership.members()
      return {
        epoch: supervisor.epoch,
        size,
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
        links: (options.links ?? []).map((link) => ({
          ...link,
          active: members[link.from]?.state === "active" && members[link.to]?.state === "active",
          latencyUs: null,
          bandwidthBytesPerSecond: null,
          lastProbeMs: null,
        })),
      }
    },
    connection: (rank) => coordinator.connection(rank),
    markServing: () => supervisor.markServing(),
    restart: (reason) => supervisor.restart(supervisor.epoch, reason),
    close: (graceMs = RANK_STOP_GRACE_MS) => (closing ??= close(graceMs)),
  }
}
