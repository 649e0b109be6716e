// The rank's end of the control plane: dials the coordinator, proves itself, sends heartbeats and metrics, does tasks.
// A peer does not dial twice: a rank that has lost its coordinator leaves, and the supervisor starts a new one.

import type { RankMemory, RankWork } from "./cluster.ts"
import type { Clock } from "./clock.ts"
import { ControlError, messageOf } from "./errors.ts"
import { offerHandshake, type RankIdentity } from "./handshake.ts"
import { DIAL_TIMEOUT_MS, HEARTBEAT_INTERVAL_MS, MAX_LOG_LINE, METRICS_INTERVAL_MS } from "./limits.ts"
import { toWireMemory } from "./memory-report.ts"
import type { Message } from "./message.ts"
import { toWireWork } from "./work-report.ts"
import { openSession, type PayloadPath, type Session } from "./session.ts"
import type { Address, Connection, Transport } from "./transport.ts"

export interface PeerOptions {
  readonly transport: Transport
  readonly coordinator: Address
  readonly secret: Uint8Array
  readonly identity: RankIdentity
  readonly clock: Clock
  /** Measured anew for each report. */
  readonly memory: () => RankMemory
  /** Measured anew for each report; null: nothing to tell. What the reports cost is added here. */
  readonly work?: () => Omit<RankWork, "beats" | "beatUs"> | null
  /** Processor time of the calling thread, for what the reports cost. */
  readonly cpuUs?: () => number
  /** ... and of other beats of this rank. */
  readonly otherBeatsUs?: () => number
  /** Does a task of the coordinator. What it throws is sent back as the reason. */
  readonly task: (name: string, body: unknown) => Promise<unknown>
  /** Leave in good order within the grace. */
  readonly shutdown: (graceMs: number) => void
  /** Leave at once. */
  readonly abort: (reason: string) => void
  /** The connection is gone. Called once. */
  readonly lost: (reason: ControlError) => void
}

export interface Peer extends PayloadPath {
  readonly open: boolean
  /** Shown beside the rank's state. */
  detail(text: string): void
  log(level: "info" | "warn" | "error", text: string): void
  /** With an error the coordinator learns why this rank leaves. */
  close(error?: ControlError): void
}

/** Connects and authenticates. Rejects with ControlError. */
export async function connectPeer(options: PeerOptions): Promise<Peer> {
  const connection = await options.transport.dial(options.coordinator, DIAL_TIMEOUT_MS)
  return await new Promise((resolve, reject) => {
    offerHandshake(connection, {
      secret: options.secret,
      clock: options.clock,
      identity: options.identity,
      accepted: () => resolve(openPeer(connection, options)),
      failed: reject,
    })
  })
}

function openPeer(connection: Connection, options: PeerOptions): Peer {
  const { rank } = options.identity
  let stopReports = () => {}
  let lastWords: ControlError | null = null
  let detail = ""

  const session: Session = openSession(connection, "coordinator", {
    message: handle,
    closed(reason) {
      stopReports()
      options.lost(
        lastWords ?? reason ?? new ControlError("connection_lost", "the coordinator has closed the connection"),
      )
    },
  })

  let beats = 0
  let beatUs = 0
  /** What reporting costs is reported too. */
  const cpuUs = options.cpuUs ?? (() => options.clock.now() * 1000)
  function timed(send: () => void): void {
    const beganUs = cpuUs()
    send()
    beats += 1
    beatUs += cpuUs() - beganUs
  }

  function metrics(): void {
    const work = options.work?.() ?? null
    session.send({
      type: "metrics",
      rank,
      memory: toWireMemory(options.memory()),
      ...(work === null
        ? {}
        : { work: toWireWork({ ...work, beats, beatUs: beatUs + (options.otherBeatsUs?.() ?? 0) }) }),
    })
  }

  function heartbeat(): void {
    const memory = toWireMemory(options.memory())
    session.send({ type: "heartbeat", rank, memory, timestamp: Date.now() / 1000, detail })
  }

  function report(heartbeatMs: number, metricsMs: number): void {
    stopReports()
    timed(heartbeat)
    const stops = [
      options.clock.every(heartbeatMs, () => timed(heartbeat)),
      options.clock.every(metricsMs, () => timed(metrics)),
    ]
    stopReports = () => {
      for (const stop of stops) stop()
    }
  }

  function handle(message: Message): void {
    switch (message.type) {
      case "config":
        report(message.heartbeat_interval_s * 1000, message.metrics_interval_s * 1000)
        break
      case "task":
        void runTask(message.id, message.name, message.body)
        break
      case "shutdown":
        options.shutdown(message.grace_s * 1000)
        break
      case "abort":
        options.abort(message.reason)
        break
      case "error":
        lastWords = new ControlError("connection_lost", `the coordinator: ${message.message}`)
        break
      case "challenge":
      case "hello":
      case "welcome":
      case "heartbeat":
      case "metrics":
      case "done":
      case "log":
      case "state":
        session.close(new ControlError("message_invalid", `${message.type} after the handshake`))
    }
  }

  async function runTask(id: number, name: string, body: unknown): Promise<void> {
    try {
      const result = (await options.task(name, body)) ?? null
      // Throws where the result is too large for a message.
      if (session.open) session.send({ type: "done", rank, id, ok: true, body: result })
    } catch (error) {
      const reason = messageOf(error).slice(0, MAX_LOG_LINE)
      if (session.open) session.send({ type: "done", rank, id, ok: false, body: reason })
    }
  }

  report(HEARTBEAT_INTERVAL_MS, METRICS_INTERVAL_MS)
  return {
    get open() {
      return session.open
    },
    detail(text) {
      detail = text
      session.send({ type: "state", rank, detail: text })
    },
    log: (level, text) => session.send({ type: "log", level, text: text.slice(0, MAX_LOG_LINE) }),
    sendPayload: (kind, bytes) => session.sendPayload(kind, bytes),
    onPayload: (listener) => session.onPayload(listener),
    onDrain: (listener) => session.onDrain(listener),
    close(error) {
      stopReports()
      session.close(error)
    },
  }
}
