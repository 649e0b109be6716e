// An authenticated connection: typed messages both ways and opaque payloads with backpressure. Both sides use it.

import { ControlError, messageOf } from "./errors.ts"
import { SEND_BUFFER_BYTES } from "./limits.ts"
import { encodeMessage, parseMessage, type Message, type Sender } from "./message.ts"
import type { Connection } from "./transport.ts"

export interface PayloadPath {
  /** False: refused, too much waits to be sent; offer it again after onDrain. An accepted payload arrives or `closed`. */
  sendPayload(kind: number, bytes: Uint8Array): boolean
  /** One listener: the last one given. The bytes may be a view; they stay valid. */
  onPayload(listener: (kind: number, bytes: Uint8Array) => void): void
  onDrain(listener: () => void): void
}

export interface Session extends PayloadPath {
  readonly open: boolean
  send(message: Message): void
  /** Says why, then closes; without an error it closes in good order. */
  close(error?: ControlError): void
}

export interface SessionHandlers {
  message(message: Message): void
  closed(reason: ControlError | null): void
}

/** Takes over a connection. `from`: who is at the other end. */
export function openSession(connection: Connection, from: Sender, handlers: SessionHandlers): Session {
  let payloadListener: ((kind: number, bytes: Uint8Array) => void) | null = null
  let drainListener: (() => void) | null = null
  /** Payloads that came before anyone listened: between authentication and the first onPayload, in one turn. */
  let early: { kind: number; bytes: Uint8Array }[] = []

  const session: Session = {
    get open() {
      return connection.open
    },
    send(message) {
      connection.writeMessage(encodeMessage(message))
    },
    sendPayload(kind, bytes) {
      if (!connection.open || connection.bufferedBytes > SEND_BUFFER_BYTES) return false
      connection.writePayload(kind, bytes)
      return true
    },
    onPayload(listener) {
      payloadListener = listener
      for (const { kind, bytes } of early.splice(0)) listener(kind, bytes)
    },
    onDrain(listener) {
      drainListener = listener
    },
    close(error) {
      if (error !== undefined && connection.open) {
        session.send({ type: "error", code: error.code, message: error.message })
      }
      connection.close(error)
    },
  }

  connection.attach({
    frame(frame) {
      if (frame.type === "message") {
        let message: Message
        try {
          message = parseMessage(frame.text, from)
        } catch (error) {
          session.close(
            error instanceof ControlError ? error : new ControlError("message_invalid", messageOf(error), error),
          )
          return
        }
        handlers.message(message)
      } else if (payloadListener !== null) payloadListener(frame.kind, frame.bytes)
      else if (early.length < EARLY_PAYLOADS) early.push(frame)
      else session.close(new ControlError("buffer_overflow", "nobody takes the payloads of this connection"))
    },
    drain() {
      drainListener?.()
    },
    closed(reason) {
      early = []
      handlers.closed(reason)
    },
  })
  return session
}

const EARLY_PAYLOADS = 64
