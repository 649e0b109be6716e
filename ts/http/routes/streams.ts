// GET and DELETE /v1/streams/{id}: goes on with a resumable stream, or ends it.

import { HttpError } from "../error-response.ts"
import type { Exchange } from "../exchange.ts"
import { createReplyConnection } from "../reply-connection.ts"
import type { Route } from "../router.ts"
import type { Services } from "../services.ts"
import { SSE } from "../sse.ts"
import { createSseReader } from "../sse-reader.ts"

export function streamRoutes(services: Services): Route[] {
  return [
    {
      method: "GET",
      path: "/v1/streams/*",
      access: "key",
      doc: {
        summary: "Go on with a resumable stream, after the event that Last-Event-ID names.",
        query: { after: "Number of the last event received, where the header Last-Event-ID cannot be set." },
        answer: SSE.contentType,
      },
      handle(exchange) {
        if (exchange.request.method === "HEAD") {
          // It must not take the stream from its reader.
          services.streams.check(exchange.rest, exchange.client)
          return exchange.send(200, SSE.contentType, "")
        }
        const connection = createReplyConnection(exchange, SSE, {
          keepAliveMs: services.settings.keepAliveMs,
          headers: { "x-stream-id": exchange.rest },
        })
        const reader = createSseReader(connection)
        const stream = services.streams.attach(exchange.rest, exchange.client, lastEvent(exchange), reader)
        // An EventSource takes 204 for the end, and connects no more.
        if (stream === null) return exchange.send(204, SSE.contentType, "")
        exchange.onAbort((reason) => stream.leave(reason))
        stream.start()
      },
    },
    {
      method: "DELETE",
      path: "/v1/streams/*",
      access: "key",
      doc: { summary: "End a resumable stream and forget it.", answer: "text/plain" },
      handle(exchange) {
        services.streams.cancel(exchange.rest, exchange.client)
        exchange.send(204, "text/plain", "")
      },
    },
  ]
}

/** 0: from the beginning. */
function lastEvent(exchange: Exchange): number {
  const { headers, query } = exchange.request
  const given = headers.get("last-event-id") ?? new URLSearchParams(query).get("after") ?? "0"
  if (/^\d{1,15}$/.test(given)) return Number(given)
  throw new HttpError("invalid_value", "'Last-Event-ID' must be the number of an event.", { param: "last-event-id" })
}
