// Frames inside one process: the same codec and the same rules as over TCP, without sockets. Bytes are delivered in
// later turns of the event loop, in pieces of a chosen size.

import { ControlError, messageOf } from "./errors.ts"
import { createFrameDecoder, encodeMessageFrame, encodePayload } from "./frame.ts"
import { MAX_FRAME_BYTES_BEFORE_AUTH, SEND_BUFFER_BYTES, SEND_OVERFLOW_BYTES } from "./limits.ts"
import type { Connection, ConnectionHandler, Transport } from "./transport.ts"

export interface MemoryTransportOptions {
  /** Largest piece in which bytes arrive. */
  readonly chunkBytes?: number
}

export function createMemoryTransport(options: MemoryTransportOptions = {}): Transport {
  const chunkBytes = options.chunkBytes ?? 64 * 1024
  const listeners = new Map<number, (connection: Connection) => void>()
  let nextPort = 1
  return {
    async listen(address, onConnection) {
      const port = address.port === 0 ? nextPort++ : address.port
      if (listeners.has(port)) throw new ControlError("listen_failed", `port ${port} is taken`)
      listeners.set(port, onConnection)
      return {
        address: { host: address.host, port },
        async close() {
          listeners.delete(port)
        },
      }
    },
    async dial(address) {
      const accept = listeners.get(address.port)
      if (accept === undefined) throw new ControlError("connect_failed", `nobody listens on port ${address.port}`)
      const here = createEnd("memory:listener", chunkBytes)
      const there = createEnd("memory:dialer", chunkBytes)
      here.join(there)
      there.join(here)
      accept(there.connection)
      return here.connection
    },
  }
}

interface End {
  readonly connection: Connection
  join(other: End): void
  receive(bytes: Uint8Array): void
  /** The other end has closed. */
  ended(): void
}

function createEnd(remote: string, chunkBytes: number): End {
  const decoder = createFrameDecoder(MAX_FRAME_BYTES_BEFORE_AUTH)
  const outbox: Uint8Array[] = []
  const inbox: Uint8Array[] = []
  let outboxBytes = 0
  let handler: ConnectionHandler | null = null
  let peer: End | null = null
  let open = true
  let scheduled = false
  let otherEnded = false
  let reported = false
  let reason: ControlError | null = null

  function schedule(): void {
    if (scheduled) return
    scheduled = true
    setImmediate(flush)
  }

  function flush(): void {
    scheduled = false
    const had = outboxBytes > 0
    for (const bytes of outbox.splice(0)) {
      for (let at = 0; at < bytes.length; at += chunkBytes) peer?.receive(bytes.slice(at, at + chunkBytes))
    }
    outboxBytes = 0
    if (!open) {
      peer?.ended()
      report()
    } else if (had) handler?.drain()
  }

  function report(): void {
    if (reported || handler === null) return
    reported = true
    handler.closed(reason)
  }

  function read(): void {
    for (;;) {
      const bytes = handler !== null && open ? inbox.shift() : undefined
      if (bytes === undefined) break
      try {
        decoder.push(bytes, (frame) => {
          if (open) handler?.frame(frame)
        })
      } catch (error) {
        close(
          error instanceof ControlError
            ? error
            : new ControlError("frame_invalid", `a frame could not be handled: ${messageOf(error)}`, error),
        )
      }
    }
    if (otherEnded && open) {
      open = false
      reason ??= new ControlError("connection_lost", `${remote} closed the connection`)
      report()
    }
  }

  function close(why?: ControlError): void {
    if (!open) return
    open = false
    reason ??= why ?? null
    schedule()
  }

  function write(parts: readonly Uint8Array[]): void {
    if (!open) return
    if (outboxBytes > SEND_BUFFER_BYTES + SEND_OVERFLOW_BYTES) {
      close(new ControlError("buffer_overflow", `${remote} does not read`))
      return
    }
    // A copy: like a socket's, the bytes are the sender's own again when the call returns.
    for (const part of parts) {
      outbox.push(part.slice())
      outboxBytes += part.length
    }
    schedule()
  }

  const end: End = {
    connection: {
      remote,
      get open() {
        return open
      },
      get bufferedBytes() {
        return outboxBytes
      },
      attach(next) {
        const first = handler === null
        handler = next
        if (first) setImmediate(read)
      },
      setMaxFrameBytes(bytes) {
        decoder.maxFrameBytes = bytes
      },
      writeMessage: (text) => write([encodeMessageFrame(text)]),
      writePayload: (kind, bytes) => write(encodePayload(kind, bytes)),
      close,
    },
    join(other) {
      peer = other
    },
    receive(bytes) {
      inbox.push(bytes)
      if (handler !== null) read()
    },
    ended() {
      otherEnded = true
      if (handler !== null) read()
    },
  }
  return end
}
