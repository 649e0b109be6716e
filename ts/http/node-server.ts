// ServerPort over node:http, for platforms where the uWS binary does not load. Knows no route.

import { createServer, IncomingMessage, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import { createBodyCollector, declaredLength } from "./body-collector.ts"
import { LIMITS } from "./limits.ts"
import { createNodeSockets } from "./node-sockets.ts"
import { createOutlet, type Outlet } from "./outlet.ts"
import type { AbortReason, PortHandler, PortRequest, PortResponse, PortSettings, ServerPort } from "./server-port.ts"

export function createNodeServer(handler: PortHandler, settings: PortSettings): ServerPort {
  const sockets = createNodeSockets(settings)
  const server = createServer(
    {
      IncomingMessage: handshakesOnly(settings.socketPaths),
      maxHeaderSize: LIMITS.headerBytes,
      headersTimeout: LIMITS.headersTimeoutMs,
      keepAliveTimeout: LIMITS.keepAliveIdleMs,
      // Slow bodies are timed by their silence (body-collector.ts), not by their whole length.
      requestTimeout: 0,
      noDelay: true,
    },
    (incoming, outgoing) => {
      const request = readRequest(incoming, settings.bodyLimit)
      handler(request, createResponse(incoming, outgoing, settings))
    },
  )
  server.on("connection", (socket: Socket) => {
    socket.once("close", () => settings.connections.closed())
    if (!settings.connections.opened()) socket.destroy()
  })
  server.on("upgrade", (incoming: IncomingMessage, connection: Socket, head: Buffer) => {
    const outgoing = new ServerResponse(incoming)
    outgoing.assignSocket(connection)
    outgoing.shouldKeepAlive = false
    outgoing.on("finish", () => connection.destroySoon())
    connection.on("error", () => connection.destroy())
    const accept = sockets.acceptor(incoming, connection, head)
    handler(
      readRequest(incoming, settings.bodyLimit),
      createResponse(incoming, outgoing, settings),
      (headers, start) => {
        outgoing.detachSocket(connection)
        accept(headers, start)
      },
    )
  })
  let closing: Promise<void> | undefined

  return {
    kind: "node",
    listen: (host, port) =>
      new Promise((resolve, reject) => {
        server.once("error", reject)
        server.listen({ host, port }, () => {
          server.off("error", reject)
          const address = server.address()
          resolve({ host, port: typeof address === "object" && address !== null ? address.port : port })
        })
      }),
    stopListening() {
      server.close()
      server.closeIdleConnections()
    },
    close() {
      closing ??= new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
        sockets.close()
      })
      return closing
    },
  }
}

/**
 * node:http gives every request that offers another protocol to its upgrade listeners, an h2c offer too, which is an
 * ordinary request here. The parser asks `upgrade` of the message that it has just filled.
 */
function handshakesOnly(socketPaths: readonly string[]): typeof IncomingMessage {
  // Not a field: the base class's constructor writes it before there are any.
  const offering = new WeakSet<IncomingMessage>()
  return class extends IncomingMessage {
    get upgrade(): boolean {
      if (!offering.has(this)) return false
      if (this.method !== "GET") return this.method === "CONNECT"
      const path = (this.url ?? "").replace(/\?.*$/s, "")
      return this.headers.upgrade?.toLowerCase() === "websocket" && socketPaths.includes(path)
    }
    set upgrade(offered: boolean | null) {
      if (offered === true) offering.add(this)
      else offering.delete(this)
    }
  }
}

function readRequest(incoming: IncomingMessage, bodyLimit: number): PortRequest {
  const target = incoming.url ?? "/"
  const mark = target.indexOf("?")
  const headers = new Map<string, string>()
  for (const [name, value] of Object.entries(incoming.headers))
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(", ") : value)

  const collector = createBodyCollector(bodyLimit, declaredLength(headers.get("content-length")))
  incoming.on("data", (chunk: Buffer) => collector.push(chunk))
  incoming.on("end", () => collector.finish())
  incoming.on("close", () => collector.abort())
  incoming.on("error", () => collector.abort())
  return {
    method: incoming.method ?? "GET",
    path: mark < 0 ? target : target.slice(0, mark),
    query: mark < 0 ? "" : target.slice(mark + 1),
    headers,
    clientAddress: (incoming.socket.remoteAddress ?? "").replace(/^::ffff:/, ""),
    body: () => collector.body(),
  }
}

function createResponse(incoming: IncomingMessage, outgoing: ServerResponse, settings: PortSettings): PortResponse {
  let ended = false
  let outlet: Outlet | undefined
  let listener: ((reason: AbortReason) => void) | undefined

  const gone = (reason: AbortReason) => {
    if (ended) return
    ended = true
    outlet?.closed()
    listener?.(reason)
  }
  outgoing.on("close", () => gone("closed"))
  outgoing.on("error", () => gone("closed"))

  const bodyless =
    incoming.headers["transfer-encoding"] === undefined && Number(incoming.headers["content-length"] ?? 0) === 0
  const unread = () => !bodyless && !incoming.complete
  // The rest of an unwanted body is thrown away for a while, so that the client reads the answer and not a reset.
  const linger = () => {
    if (!unread()) return
    const timer = setTimeout(() => incoming.socket.destroy(), LIMITS.lingerMs)
    incoming.socket.once("close", () => clearTimeout(timer))
    incoming.resume()
  }

  return {
    get ended() {
      return ended
    },
    onAbort(next) {
      listener = next
    },
    send(status, headers, body, close = false) {
      if (ended) return
      ended = true
      const bytes = typeof body === "string" ? Buffer.from(body) : body
      const cut = close || unread()
      const all: Record<string, string> = { ...headers }
      if (status !== 204 && status !== 304) all["content-length"] = String(bytes.length)
      if (cut) all["connection"] = "close"
      outgoing.writeHead(status, all)
      outgoing.end(incoming.method === "HEAD" || status === 204 || status === 304 ? undefined : bytes)
      linger()
    },
    stream(status, headers, filler) {
      outgoing.writeHead(status, headers)
      outgoing.flushHeaders()
      const made = createOutlet(
        {
          write: (text) => outgoing.write(text),
          end(text) {
            ended = true
            outgoing.end(text)
          },
          abort: () => incoming.socket.destroy(),
        },
        { filler, pendingLimit: settings.pendingLimit, onOverflow: () => gone("slow") },
      )
      outgoing.on("drain", () => made.writable())
      outlet = made
      return made
    },
  }
}
