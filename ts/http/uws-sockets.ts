// WebSockets of the uWS server: the library's callbacks as PortSocket and SocketListener. Knows no route. Rules of the
// library that this file keeps: several sends are corked; a socket is never touched after its close callback; message
// bytes are neutered after the call and therefore copied.

import type { HttpRequest, HttpResponse, TemplatedApp, us_socket_context_t, WebSocket } from "uWebSockets.js"
import { LIMITS } from "./limits.ts"
import type { AcceptSocket, AbortReason, PortSettings, PortSocket, SocketListener } from "./server-port.ts"

const UNSUPPORTED_DATA = 1003

/** What the library keeps for us with each socket. */
interface SocketData {
  start(socket: PortSocket): SocketListener
  session: { listener: SocketListener; gone(reason: AbortReason): void } | null
}

/** Answers a request, or takes it as a socket; never throws. Null: it is no handshake. */
export type UwsHandshake = (
  res: HttpResponse,
  req: HttpRequest,
  makeAccept: ((take: (action: () => void) => void) => AcceptSocket) | null,
) => void

export function serveUwsSockets(
  app: TemplatedApp,
  path: string,
  handshake: UwsHandshake,
  settings: Pick<PortSettings, "bodyLimit" | "pendingLimit" | "connections">,
): void {
  app.ws<SocketData>(path, {
    maxPayloadLength: settings.bodyLimit,
    // The bound of what waits is this file's: the library's would drop messages.
    maxBackpressure: 0,
    idleTimeout: LIMITS.socketIdleMs / 1000,
    sendPingsAutomatically: true,
    upgrade: (res, req, context) => handshake(res, req, (take) => acceptor(res, req, context, take)),
    open(ws) {
      const data = ws.getUserData()
      const { socket, gone } = portSocket(ws, settings.pendingLimit, (reason) => data.session?.listener.closed(reason))
      data.session = { listener: data.start(socket), gone }
    },
    message(ws, message, isBinary) {
      const { session } = ws.getUserData()
      if (isBinary) ws.end(UNSUPPORTED_DATA, "text messages only")
      else session?.listener.message(Buffer.from(message.slice(0)))
    },
    close(ws) {
      settings.connections.closed()
      ws.getUserData().session?.gone("closed")
    },
  })
}

/** `take` gives up the response object, which the upgrade consumes. */
function acceptor(
  res: HttpResponse,
  req: HttpRequest,
  context: us_socket_context_t,
  take: (action: () => void) => void,
): AcceptSocket {
  const key = req.getHeader("sec-websocket-key")
  const extensions = req.getHeader("sec-websocket-extensions")
  return (headers, start) =>
    take(() => {
      res.writeStatus("101 Switching Protocols")
      for (const [name, value] of Object.entries(headers)) res.writeHeader(name, value)
      res.upgrade<SocketData>({ start, session: null }, key, "", extensions, context)
    })
}

function portSocket(ws: WebSocket<SocketData>, pendingLimit: number, closed: (reason: AbortReason) => void) {
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
      if (ws.getBufferedAmount() > pendingLimit) {
        gone("slow")
        ws.close()
        return
      }
      ws.cork(() => {
        for (const message of messages) ws.send(message)
      })
    },
    close(code, reason) {
      if (open) ws.end(code, reason)
    },
  }
  return { socket, gone }
}
