// Mutual authentication of a new connection by HMAC-SHA256 over both sides' nonces. Nobody sends the secret; a recorded
// handshake is worth nothing, since the other side's nonce is new each time. What follows is not encrypted.
//
//   coordinator                                        rank
//       challenge (versions, nonce C)      ─────────►
//                                          ◄─────────  hello (rank, epoch, version, nonce R, HMAC "rank" of all)
//       welcome (HMAC "coordinator" of all) ────────►
//
// Both run as state machines inside the delivery of a frame, and hand the connection over inside the same delivery:
// the frame that follows the last one of the handshake already meets the next handler.

import { createHmac, randomBytes, timingSafeEqual } from "node:crypto"
import type { Clock } from "./clock.ts"
import { ControlError, type ControlErrorCode } from "./errors.ts"
import type { Frame } from "./frame.ts"
import { HANDSHAKE_TIMEOUT_MS, MAX_FRAME_BYTES } from "./limits.ts"
import { encodeMessage, parseMessage, PROTOCOL, type Message, type MessageOf, type Sender } from "./message.ts"
import type { Connection } from "./transport.ts"

export interface RankIdentity {
  readonly rank: number
  readonly epoch: number
  readonly hostname: string
  readonly pid: number
  readonly version: string
}

/** A rank that has proved itself. */
export interface AcceptedRank extends RankIdentity {
  readonly protocol: number
}

type Hello = MessageOf<"hello">

function proofOf(secret: Uint8Array, label: Sender, coordinatorNonce: string, hello: Omit<Hello, "proof">): string {
  const transcript = [
    label,
    coordinatorNonce,
    hello.nonce,
    hello.protocol,
    hello.rank,
    hello.epoch,
    hello.pid,
    JSON.stringify(hello.hostname),
    JSON.stringify(hello.version),
  ]
  return createHmac("sha256", secret).update(transcript.join("\n")).digest("hex")
}

function equalProofs(left: string, right: string): boolean {
  const a = Buffer.from(left, "hex")
  const b = Buffer.from(right, "hex")
  return a.length === b.length && timingSafeEqual(a, b)
}

const newNonce = () => randomBytes(32).toString("hex")

export interface AcceptOptions {
  readonly secret: Uint8Array
  readonly clock: Clock
  /** May refuse a rank that has proved itself, by throwing ControlError. */
  readonly admit: (rank: AcceptedRank) => void
  /** Attaches its own handler to the connection. */
  readonly accepted: (rank: AcceptedRank, connection: Connection) => void
  readonly failed: (error: ControlError) => void
}

/** The coordinator's side. */
export function acceptHandshake(connection: Connection, options: AcceptOptions): void {
  const nonce = newNonce()
  const steps = startHandshake(connection, options.clock, "rank", options.failed, (message) => {
    if (message.type !== "hello") throw unexpected(message, "hello")
    const { proof, ...hello } = message
    if (!equalProofs(proof, proofOf(options.secret, "rank", nonce, hello))) {
      throw new ControlError("authentication_failed", `${connection.remote} does not know this cluster's secret`)
    }
    if (hello.protocol < PROTOCOL.min || hello.protocol > PROTOCOL.max) throw mismatch(hello.protocol, hello.protocol)
    const rank: AcceptedRank = {
      rank: hello.rank,
      epoch: hello.epoch,
      hostname: hello.hostname,
      pid: hello.pid,
      version: hello.version,
      protocol: hello.protocol,
    }
    options.admit(rank)
    send(connection, { type: "welcome", proof: proofOf(options.secret, "coordinator", nonce, hello) })
    steps.done()
    options.accepted(rank, connection)
  })
  send(connection, { type: "challenge", protocol_min: PROTOCOL.min, protocol_max: PROTOCOL.max, nonce })
}

export interface OfferOptions {
  readonly secret: Uint8Array
  readonly clock: Clock
  readonly identity: RankIdentity
  /** Attaches its own handler to the connection. */
  readonly accepted: (connection: Connection) => void
  readonly failed: (error: ControlError) => void
}

/** The rank's side. */
export function offerHandshake(connection: Connection, options: OfferOptions): void {
  let expected: string | null = null
  const steps = startHandshake(connection, options.clock, "coordinator", options.failed, (message) => {
    if (expected === null) {
      if (message.type !== "challenge") throw unexpected(message, "challenge")
      const protocol = Math.min(PROTOCOL.max, message.protocol_max)
      if (protocol < PROTOCOL.min || protocol < message.protocol_min) {
        throw mismatch(message.protocol_min, message.protocol_max)
      }
      const hello = { type: "hello", ...options.identity, protocol, nonce: newNonce() } as const
      expected = proofOf(options.secret, "coordinator", message.nonce, hello)
      send(connection, { ...hello, proof: proofOf(options.secret, "rank", message.nonce, hello) })
      return
    }
    if (message.type !== "welcome") throw unexpected(message, "welcome")
    if (!equalProofs(message.proof, expected)) {
      throw new ControlError("authentication_failed", `${connection.remote} does not know this cluster's secret`)
    }
    steps.done()
    options.accepted(connection)
  })
}

function startHandshake(
  connection: Connection,
  clock: Clock,
  from: Sender,
  failed: (error: ControlError) => void,
  onMessage: (message: Message) => void,
): { done(): void } {
  let over = false
  const end = () => {
    over = true
    cancel()
  }
  const fail = (error: ControlError) => {
    if (over) return
    end()
    connection.close(error)
    failed(error)
  }
  const cancel = clock.after(HANDSHAKE_TIMEOUT_MS, () =>
    fail(
      new ControlError(
        "handshake_timeout",
        `${connection.remote} did not authenticate within ${HANDSHAKE_TIMEOUT_MS} ms`,
      ),
    ),
  )
  connection.attach({
    frame(frame: Frame) {
      if (over) return
      try {
        if (frame.type !== "message") throw new ControlError("message_invalid", "a payload before authentication")
        const message = parseMessage(frame.text, from)
        if (message.type === "error") fail(refusedBy(connection, message))
        else onMessage(message)
      } catch (error) {
        const refusal =
          error instanceof ControlError ? error : new ControlError("message_invalid", "the handshake failed", error)
        // The other side learns the reason: a wrong secret is the most common mistake when a cluster is set up.
        send(connection, { type: "error", code: refusal.code, message: refusal.message })
        fail(refusal)
      }
    },
    drain() {},
    closed(reason) {
      fail(reason ?? new ControlError("connection_lost", `${connection.remote} closed during the handshake`))
    },
  })
  return {
    done() {
      end()
      connection.setMaxFrameBytes(MAX_FRAME_BYTES)
    },
  }
}

function send(connection: Connection, message: Message): void {
  connection.writeMessage(encodeMessage(message))
}

function unexpected(message: Message, wanted: string): ControlError {
  return new ControlError("message_invalid", `expected ${wanted}, got ${message.type}`)
}

function mismatch(min: number, max: number): ControlError {
  return new ControlError(
    "protocol_mismatch",
    `the other side speaks protocol ${min} to ${max}, this one ${PROTOCOL.min} to ${PROTOCOL.max}: install one version on all hosts`,
  )
}

const REFUSALS: readonly ControlErrorCode[] = [
  "authentication_failed",
  "rank_refused",
  "protocol_mismatch",
  "handshake_timeout",
]

function refusedBy(connection: Connection, message: MessageOf<"error">): ControlError {
  const code = REFUSALS.find((known) => known === message.code) ?? "rank_refused"
  return new ControlError(code, `${connection.remote} refused: ${message.message}`)
}
