// Transport: how frames get from one process to another. Two implementations: tcp-transport.ts and, inside one process,
// memory-transport.ts. Knows neither messages nor ranks.

import type { ControlError } from "./errors.ts"
import type { Frame } from "./frame.ts"

export interface Address {
  readonly host: string
  readonly port: number
}

/** Who reads a connection. A ControlError thrown by `frame` closes the connection for that reason. */
export interface ConnectionHandler {
  frame(frame: Frame): void
  /** What was written has left. */
  drain(): void
  /** Called once, last. Null: closed in good order by either side. */
  closed(reason: ControlError | null): void
}

export interface Connection {
  /** The other side, for logs. */
  readonly remote: string
  readonly open: boolean
  /** Written and not yet taken over by the system. */
  readonly bufferedBytes: number
  /** Frames are delivered to the last handler that was attached; none before the first one. */
  attach(handler: ConnectionHandler): void
  setMaxFrameBytes(bytes: number): void
  /** Queues whole frames, always; closes the connection where the other side has stopped reading. */
  writeMessage(text: string): void
  writePayload(kind: number, bytes: Uint8Array): void
  /** Sends what is queued, then ends. Idempotent. `closed` follows. */
  close(reason?: ControlError): void
}

export interface Listener {
  readonly address: Address
  /** Stops accepting; connections that are open stay. */
  close(): Promise<void>
}

export interface Transport {
  listen(address: Address, onConnection: (connection: Connection) => void): Promise<Listener>
  dial(address: Address, timeoutMs: number): Promise<Connection>
}
