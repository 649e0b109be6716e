// The dashboard: its page, its files, its event stream.

import { createHash } from "node:crypto"
import { renderPage, staticFiles } from "../../dashboard/index.ts"
import { HttpError } from "../error-response.ts"
import { LIMITS } from "../limits.ts"
import { PAGE_HEADERS } from "../page-headers.ts"
import type { Route } from "../router.ts"
import type { Services } from "../services.ts"
import { SSE } from "../sse.ts"

export function dashboardRoutes(services: Services): Route[] {
  const tags = new Map(
    [...staticFiles].map(([path, file]) => [
      path,
      `"${createHash("sha256").update(file.body).digest("base64url").slice(0, 22)}"`,
    ]),
  )
  return [
    {
      method: "GET",
      path: "/",
      access: "key",
      doc: { summary: "The dashboard.", answer: "text/html; charset=utf-8" },
      handle(exchange) {
        exchange.send(200, "text/html; charset=utf-8", renderPage(services.snapshot(), {}), PAGE_HEADERS)
      },
    },
    {
      method: "GET",
      path: "/static/*",
      access: "open",
      doc: { summary: "Scripts and styles of the dashboard.", answer: "text/javascript" },
      handle(exchange) {
        const file = staticFiles.get(exchange.rest)
        const etag = tags.get(exchange.rest)
        if (file === undefined || etag === undefined) throw new HttpError("not_found")
        const headers = { etag, "cache-control": "no-cache" }
        if (exchange.request.headers.get("if-none-match") === etag) exchange.send(304, file.contentType, "", headers)
        else exchange.send(200, file.contentType, file.body, headers)
      },
    },
    {
      method: "GET",
      path: "/events",
      access: "key",
      doc: { summary: "The v2 snapshot and the changed panels, once a second.", answer: "text/event-stream" },
      handle(exchange) {
        if (services.viewers.size >= LIMITS.viewers)
          throw new HttpError("overloaded", `${LIMITS.viewers} dashboards watch already.`)
        if (exchange.request.method === "HEAD") return exchange.send(200, SSE.contentType, "")
        const leave = services.viewers.join(exchange.stream(SSE.contentType, SSE.filler))
        exchange.onAbort(leave)
      },
    },
  ]
}
