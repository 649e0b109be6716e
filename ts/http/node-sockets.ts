// WebSockets of the node server, by the ws package. Knows no route.

import type { IncomingMessage } from "node:http"
import type { Duplex } from "node:stream"
import { type WebSocket, WebSocketServer } from "ws"
import { LIMITS } from "./limits.ts"
import type { AbortReason, AcceptSocket, PortSettings, PortSocket } from "./server-port.ts"

export interface NodeSockets {
  /** Takes the handshake on this connection when called; an ill-formed one is answered 400 by the package. */
  acceptor(incoming: IncomingMessage, connection: Duplex, head: Buffer): AcceptSocket
  /** Cuts all. */
  close(): void
}

const UNSUPPORTED_DATA = 1003

export function createNodeSockets(settings: Pick<PortSettings, "bodyLimit" | "pendingLimit">): NodeSockets {
  const open = new Set<WebSocket>()
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: settings.bodyLimit,
  })
  return {
    acceptor: (incoming, connection, head) => (headers, start) => {
      const addHeaders = (lines: string[]) => {
        for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`)
      }
      server.once("headers", addHeaders)
      server.handleUpgrade(incoming, connection, head, (ws) => {
        open.add(ws)
        const { socket, gone } = portSocket(ws, settings.pendingLimit, (reason) => listener.closed(reason))
        const listener = start(socket)
        const stopPings = keepAlive(ws)
        ws.on("message", (data, isBinary) => {
          if (isBinary) ws.close(UNSUPPORTED_DATA, "text messages only")
          else listener.message(data)
        })
        // A broken frame or one that is too large: the package closes with the right code, then "close" comes.
        ws.on("error", () => {})
        ws.on("close", () => {
          stopPings()
          open.delete(ws)
          gone("closed")
        })
      })
      server.off("headers", addHeaders)
    },
    close() {
      for (const ws of open) ws.terminate()
    },
  }
}

/** Pings an idle client, and cuts one that has said nothing for `socketIdleMs`. */
function keepAlive(ws: WebSocket): () => void {
  let heard = true
  const hear = () => {
    heard = true
  }
  ws.on("message", hear)
  ws.on("pong", hear)
  ws.on("ping", hear)
  const timer = setInterval(() => {
    if (!heard) return ws.terminate()
    heard = false
    ws.ping()
  }, LIMITS.socketIdleMs / 2)
  timer.unref()
  return () => clearInterval(timer)
}

function portSocket(ws: WebSocket, pendingLimit: number, closed: (reason: AbortReason) => void) {
  let open = true
  const gone = (reason: AbortReason) => {
    if (!open) return
    open = false
    closed(reason)
  }
  const socket: PortSocket = {
    get open() {
      return open
    },
    send(messages) {
      if (!open) return
      if (ws.bufferedAmount > pendingLimit) {
        gone("slow")
        ws.terminate()
        return
      }
      for (const message of messages) ws.send(message)
    },
    close(code, reason) {
      if (open) ws.close(code, reason)
    },
  }
  return { socket, gone }
}
