// Frames over TCP. Binds exactly the address it is given. Traffic is authenticated above this file and not encrypted.

import { createServer, connect, type Server, type Socket } from "node:net"
import { ControlError, messageOf } from "./errors.ts"
import { createFrameDecoder, encodeMessageFrame, encodePayload } from "./frame.ts"
import { CLOSE_FLUSH_MS, MAX_FRAME_BYTES_BEFORE_AUTH, SEND_BUFFER_BYTES, SEND_OVERFLOW_BYTES } from "./limits.ts"
import type { Address, Connection, ConnectionHandler, Transport } from "./transport.ts"

export const tcpTransport: Transport = {
  async listen(address, onConnection) {
    const server = createServer({ noDelay: true, keepAlive: true }, (socket) => onConnection(connectionOf(socket)))
    await listening(server, address)
    const bound = server.address()
    if (bound === null || typeof bound === "string") throw new ControlError("listen_failed")
    return {
      address: { host: address.host, port: bound.port },
      close: () =>
        new Promise((resolve) => {
          server.close(() => resolve())
        }),
    }
  },

  dial(address, timeoutMs) {
    return new Promise((resolve, reject) => {
      const where = `${address.host}:${address.port}`
      const socket = connect({ host: address.host, port: address.port, noDelay: true, keepAlive: true })
      const fail = (text: string, cause?: unknown) => {
        clearTimeout(timer)
        socket.destroy()
        reject(new ControlError("connect_failed", `cannot connect to the coordinator at ${where}: ${text}`, cause))
      }
      const onError = (error: Error) => fail(error.message, error)
      const timer = setTimeout(() => fail(`no answer in ${timeoutMs} ms`), timeoutMs)
      socket.once("error", onError)
      socket.once("connect", () => {
        clearTimeout(timer)
        socket.off("error", onError)
        resolve(connectionOf(socket))
      })
    })
  },
}

function listening(server: Server, address: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error) => {
      const cure =
        "code" in error && error.code === "EADDRNOTAVAIL"
          ? `; ${address.host} is no address of this machine: mend ips of hosts[0] in the hostfile, or serve from that host`
          : ""
      reject(
        new ControlError(
          "listen_failed",
          `cannot listen on ${address.host}:${address.port}: ${error.message}${cure}`,
          error,
        ),
      )
    }
    server.once("error", failed)
    server.listen({ host: address.host, port: address.port }, () => {
      server.off("error", failed)
      // Errors of a listening server are about single connections (too many files): the server goes on.
      server.on("error", () => undefined)
      resolve()
    })
  })
}

function connectionOf(socket: Socket): Connection {
  const decoder = createFrameDecoder(MAX_FRAME_BYTES_BEFORE_AUTH)
  let handler: ConnectionHandler | null = null
  let reason: ControlError | null = null
  let open = true
  let flushTimer: NodeJS.Timeout | undefined

  // Without a handler nothing is read: bytes wait in the system, so that none is lost between two owners.
  const onData = (chunk: Uint8Array) => {
    try {
      decoder.push(chunk, (frame) => {
        if (open) handler?.frame(frame)
      })
    } catch (error) {
      const refused =
        error instanceof ControlError
          ? error
          : new ControlError("frame_invalid", `a frame could not be handled: ${messageOf(error)}`, error)
      close(refused)
    }
  }
  socket.on("drain", () => {
    if (open) handler?.drain()
  })
  socket.on("error", (error) => {
    reason ??= new ControlError("connection_lost", `the connection to ${remote} failed: ${error.message}`, error)
  })
  socket.on("end", () => {
    if (open) reason ??= new ControlError("connection_lost", `${remote} closed the connection`)
    open = false
    socket.destroy()
  })
  socket.on("close", () => {
    open = false
    clearTimeout(flushTimer)
    handler?.closed(reason)
  })

  function close(why?: ControlError): void {
    if (!open) return
    open = false
    reason ??= why ?? null
    // Reads go on without a handler of frames: unread bytes would turn the close into a reset and lose what we sent.
    if (handler === null) socket.resume()
    socket.end()
    flushTimer = setTimeout(() => socket.destroy(), CLOSE_FLUSH_MS)
  }

  function write(parts: readonly Uint8Array[]): void {
    if (!open) return
    if (socket.writableLength > SEND_BUFFER_BYTES + SEND_OVERFLOW_BYTES) {
      reason ??= new ControlError("buffer_overflow", `${remote} does not read: ${socket.writableLength} bytes wait`)
      open = false
      socket.destroy()
      return
    }
    const [first] = parts
    if (parts.length === 1 && first !== undefined) {
      socket.write(first)
      return
    }
    socket.cork()
    for (const part of parts) socket.write(part)
    socket.uncork()
  }

  const remote = `${socket.remoteAddress ?? "?"}:${socket.remotePort ?? 0}`
  return {
    remote,
    get open() {
      return open
    },
    get bufferedBytes() {
      return socket.writableLength
    },
    attach(next) {
      const first = handler === null
      handler = next
      if (first) socket.on("data", onData)
      // The connection may have ended before anyone looked.
      if (first && socket.closed) queueMicrotask(() => next.closed(reason))
    },
    setMaxFrameBytes(bytes) {
      decoder.maxFrameBytes = bytes
    },
    writeMessage: (text) => write([encodeMessageFrame(text)]),
    writePayload: (kind, bytes) => write(encodePayload(kind, bytes)),
    close,
  }
}
