// GET /v1/stream: the WebSocket. The gate has looked at Host, Origin and key before its handshake is taken.

import { HttpError } from "../error-response.ts"
import type { PrepareWork } from "../generation-work.ts"
import type { Route } from "../router.ts"
import { SocketClientMessage, SocketServerMessage } from "../schemas/socket.ts"
import type { Services } from "../services.ts"
import { createSocketSession } from "../socket-session.ts"

export function socketRoute(services: Services, works: Readonly<Record<string, PrepareWork>>): Route {
  return {
    method: "GET",
    path: "/v1/stream",
    access: "key",
    doc: {
      summary: "WebSocket: many requests over one connection, tokens as messages.",
      answer: "application/json",
      messages: { client: SocketClientMessage, server: SocketServerMessage },
    },
    handle(exchange) {
      exchange.fail(
        new HttpError("upgrade_required", undefined, { headers: { upgrade: "websocket", connection: "upgrade" } }),
      )
    },
    upgrade(exchange, accept) {
      services.sockets.check()
      const { client, requestId } = exchange
      const traceparent = exchange.request.headers.get("traceparent")
      accept(exchange.switching(), (socket) =>
        createSocketSession({ services, works, client, requestId, traceparent, socket }),
      )
    },
  }
}
