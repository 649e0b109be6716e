// The dashboard: its page, its files, its event stream.

import { createHash } from "node:crypto"
import { renderPage, staticFiles } from "../../dashboard/index.ts"
import { HttpError } from "../error-response.ts"
import { LIMITS } from "../limits.ts"
import { PAGE_HEADERS } from "../page-headers.ts"
import { chooseEncoding, type Encoding, packBody, type Packed } from "../packed-body.ts"
import type { Route } from "../router.ts"
import { EventsClientMessage, EventsMessage } from "../schemas/events.ts"
import type { Services } from "../services.ts"
import { SSE } from "../sse.ts"

export function dashboardRoutes(services: Services): Route[] {
  const tags = new Map(
    [...staticFiles].map(([path, file]) => [
      path,
      `W/"${createHash("sha256").update(file.body).digest("base64url").slice(0, 22)}"`,
    ]),
  )
  const packed = new Map<string, Promise<Packed>>()
  const pack = (encoding: Encoding, path: string, body: Buffer) => {
    const key = `${encoding} ${path}`
    const found = packed.get(key) ?? packBody(encoding, body)
    packed.set(key, found)
    return found
  }
  const checkRoom = () => {
    if (services.viewers.size >= LIMITS.viewers)
      throw new HttpError("overloaded", `${LIMITS.viewers} dashboards watch already.`)
  }
  return [
    {
      method: "GET",
      path: "/",
      access: "key",
      doc: { summary: "The dashboard.", answer: "text/html; charset=utf-8" },
      async handle(exchange) {
        const page = Buffer.from(renderPage(services.snapshot(), {}))
        const { body, headers } = await packBody(chooseEncoding(exchange.request), page)
        exchange.send(200, "text/html; charset=utf-8", body, { ...PAGE_HEADERS, vary: "accept-encoding", ...headers })
      },
    },
    {
      method: "GET",
      path: "/static/*",
      access: "open",
      doc: { summary: "Scripts and styles of the dashboard.", answer: "text/javascript" },
      async handle(exchange) {
        const file = staticFiles.get(exchange.rest)
        const etag = tags.get(exchange.rest)
        if (file === undefined || etag === undefined) throw new HttpError("not_found")
        const headers = { etag, "cache-control": "no-cache", vary: "accept-encoding" }
        if (exchange.request.headers.get("if-none-match") === etag)
          return exchange.send(304, file.contentType, "", headers)
        const small = await pack(chooseEncoding(exchange.request), exchange.rest, file.body)
        exchange.send(200, file.contentType, small.body, { ...headers, ...small.headers })
      },
    },
    {
      method: "GET",
      path: "/events",
      access: "key",
      doc: {
        summary: "The v2 snapshot once a second: as SSE with the changed panels, or over a WebSocket with histograms.",
        answer: "text/event-stream",
        messages: { client: EventsClientMessage, server: EventsMessage },
      },
      handle(exchange) {
        checkRoom()
        if (exchange.request.method === "HEAD") return exchange.send(200, SSE.contentType, "")
        const leave = services.viewers.join(exchange.stream(SSE.contentType, SSE.filler))
        exchange.onAbort(leave)
      },
      upgrade(exchange, accept) {
        checkRoom()
        accept(exchange.switching(), (socket) => {
          const leave = services.viewers.watch(socket)
          return { message: () => {}, closed: leave }
        })
      },
    },
  ]
}
