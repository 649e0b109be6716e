// The front's end of the control plane: listens, lets authenticated ranks of the current epoch in, follows their
// heartbeats, hands tasks and payloads on. Starts no process (supervisor.ts does).

import type { RankMemory, RankWork } from "./cluster.ts"
import type { Clock } from "./clock.ts"
import { ControlError } from "./errors.ts"
import { acceptHandshake, type AcceptedRank } from "./handshake.ts"
import {
  HEARTBEAT_INTERVAL_MS,
  MAX_PENDING_HANDSHAKES,
  METRICS_INTERVAL_MS,
  PROBE_INTERVAL_MS,
  TASK_TIMEOUT_MS,
} from "./limits.ts"
import { fromWireMemory } from "./memory-report.ts"
import type { Message } from "./message.ts"
import { fromWireWork } from "./work-report.ts"
import { openSession, type PayloadPath, type Session } from "./session.ts"
import type { Address, Connection, Transport } from "./transport.ts"

/** A rank that is connected, as the front sees it. */
export interface RankConnection extends PayloadPath {
  readonly rank: number
  readonly epoch: number
  readonly hostname: string
  readonly pid: number
  readonly open: boolean
  /** Asks the rank to do something; resolves with its answer. Rejects with ControlError task_failed or connection_lost. */
  task(name: string, body: unknown, timeoutMs?: number): Promise<unknown>
  shutdown(graceMs: number): void
  abort(reason: string): void
  close(error?: ControlError): void
}

export interface CoordinatorEvents {
  joined(connection: RankConnection): void
  /** Any message of a rank: it lives. */
  heard(rank: number): void
  memory(rank: number, memory: RankMemory): void
  work?(rank: number, work: RankWork): void
  detail(rank: number, detail: string): void
  log(rank: number, level: "info" | "warn" | "error", text: string): void
  /** The connection of a rank that had joined is gone. */
  left(connection: RankConnection, reason: ControlError): void
  /** Someone was turned away. */
  refused(error: ControlError): void
}

export interface CoordinatorOptions {
  readonly transport: Transport
  /** Port 0 takes a free one. */
  readonly address: Address
  readonly secret: Uint8Array
  readonly size: number
  /** Of this program: ranks of another version are refused. */
  readonly version?: string | undefined
  readonly clock: Clock
  readonly events: CoordinatorEvents
  readonly heartbeatIntervalMs?: number
  readonly metricsIntervalMs?: number
}

export interface Coordinator {
  readonly address: Address
  /** Ranks of older epochs are refused from now on; their connections are closed. */
  beginEpoch(epoch: number): void
  connection(rank: number): RankConnection | null
  close(): Promise<void>
}

export async function createCoordinator(options: CoordinatorOptions): Promise<Coordinator> {
  const { clock, events } = options
  const connections = new Map<number, RankConnection>()
  const pending = new Set<Connection>()
  let epoch = 0
  let closed = false

  const listener = await options.transport.listen(options.address, (connection) => {
    if (closed || pending.size >= MAX_PENDING_HANDSHAKES) {
      connection.close()
      return
    }
    pending.add(connection)
    acceptHandshake(connection, {
      secret: options.secret,
      clock,
      admit,
      accepted(rank) {
        pending.delete(connection)
        join(rank, connection)
      },
      failed(error) {
        pending.delete(connection)
        events.refused(error)
      },
    })
  })

  function admit(rank: AcceptedRank): void {
    if (closed) throw new ControlError("rank_refused", "the coordinator is closing")
    if (rank.rank >= options.size) {
      throw new ControlError("rank_refused", `rank ${rank.rank} in a cluster of ${options.size}`)
    }
    if (options.version !== undefined && rank.version !== options.version) {
      throw new ControlError(
        "rank_refused",
        `rank ${rank.rank} on ${rank.hostname} is mlx-cluster ${rank.version}, this is ${options.version}: run mlx-cluster bootstrap`,
      )
    }
    if (rank.epoch !== epoch) {
      throw new ControlError("rank_refused", `rank ${rank.rank} is of epoch ${rank.epoch}, the cluster of ${epoch}`)
    }
    if (connections.has(rank.rank)) {
      throw new ControlError("rank_refused", `rank ${rank.rank} is connected already`)
    }
  }

  function join(identity: AcceptedRank, transportConnection: Connection): void {
    const connection = openRankConnection(identity, transportConnection, clock, events, (reason) => {
      if (connections.get(identity.rank) === connection) connections.delete(identity.rank)
      events.left(connection, reason)
    })
    connections.set(identity.rank, connection)
    connection.send({
      type: "config",
      heartbeat_interval_s: (options.heartbeatIntervalMs ?? HEARTBEAT_INTERVAL_MS) / 1000,
      metrics_interval_s: (options.metricsIntervalMs ?? METRICS_INTERVAL_MS) / 1000,
      probe_interval_s: PROBE_INTERVAL_MS / 1000,
    })
    events.joined(connection)
  }

  return {
    address: listener.address,
    beginEpoch(next) {
      epoch = next
      for (const connection of connections.values()) connection.close(new ControlError("closed", "a new epoch begins"))
      connections.clear()
    },
    connection: (rank) => connections.get(rank) ?? null,
    async close() {
      if (closed) return
      closed = true
      for (const connection of pending) connection.close()
      for (const connection of connections.values()) connection.close()
      await listener.close()
    },
  }
}

interface OpenRankConnection extends RankConnection {
  send(message: Message): void
}

interface WaitingTask {
  resolve(body: unknown): void
  reject(error: ControlError): void
  cancelTimer(): void
}

function openRankConnection(
  identity: AcceptedRank,
  transportConnection: Connection,
  clock: Clock,
  events: CoordinatorEvents,
  left: (reason: ControlError) => void,
): OpenRankConnection {
  const { rank } = identity
  const tasks = new Map<number, WaitingTask>()
  let nextTask = 1
  /** What the rank said before it closed: better than "closed the connection". */
  let lastWords: ControlError | null = null

  const session: Session = openSession(transportConnection, "rank", {
    message(message) {
      events.heard(rank)
      handle(message)
    },
    closed(reason) {
      const why = lastWords ?? reason ?? new ControlError("closed", `the connection of rank ${rank} was closed`)
      for (const task of tasks.values()) {
        task.cancelTimer()
        task.reject(new ControlError("connection_lost", `rank ${rank} was lost: ${why.message}`, why))
      }
      tasks.clear()
      left(why)
    },
  })

  function handle(message: Message): void {
    if ("rank" in message && message.rank !== rank) {
      session.close(new ControlError("message_invalid", `a ${message.type} of rank ${message.rank} from rank ${rank}`))
      return
    }
    switch (message.type) {
      case "heartbeat":
        events.memory(rank, fromWireMemory(message.memory))
        if (message.detail !== undefined) events.detail(rank, message.detail)
        break
      case "metrics":
        events.memory(rank, fromWireMemory(message.memory))
        if (message.work !== undefined) events.work?.(rank, fromWireWork(message.work))
        break
      case "state":
        events.detail(rank, message.detail)
        break
      case "log":
        events.log(rank, message.level, message.text)
        break
      case "error":
        lastWords = new ControlError("connection_lost", `rank ${rank}: ${message.message}`)
        break
      case "done": {
        // An answer after its deadline has nobody waiting.
        const task = tasks.get(message.id)
        if (task === undefined) break
        tasks.delete(message.id)
        task.cancelTimer()
        if (message.ok) task.resolve(message.body)
        else task.reject(new ControlError("task_failed", `rank ${rank}: ${String(message.body)}`))
        break
      }
      case "hello":
      case "challenge":
      case "welcome":
      case "config":
      case "task":
      case "abort":
      case "shutdown":
        session.close(new ControlError("message_invalid", `${message.type} after the handshake`))
    }
  }

  return {
    rank,
    epoch: identity.epoch,
    hostname: identity.hostname,
    pid: identity.pid,
    get open() {
      return session.open
    },
    send: (message) => session.send(message),
    sendPayload: (kind, bytes) => session.sendPayload(kind, bytes),
    onPayload: (listener) => session.onPayload(listener),
    onDrain: (listener) => session.onDrain(listener),
    task(name, body, timeoutMs = TASK_TIMEOUT_MS) {
      if (!session.open) return Promise.reject(new ControlError("connection_lost", `rank ${rank} is not connected`))
      const id = nextTask++
      return new Promise((resolve, reject) => {
        const cancelTimer = clock.after(timeoutMs, () => {
          tasks.delete(id)
          reject(new ControlError("task_failed", `rank ${rank} did not answer ${name} within ${timeoutMs} ms`))
        })
        tasks.set(id, { resolve, reject, cancelTimer })
        session.send({ type: "task", id, name, body: body ?? null })
      })
    },
    shutdown: (graceMs) => session.send({ type: "shutdown", grace_s: graceMs / 1000 }),
    abort: (reason) => session.send({ type: "abort", reason }),
    close: (error) => session.close(error),
  }
}
