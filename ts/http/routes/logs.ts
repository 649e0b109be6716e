// GET /logs: the newest lines of the front and of all ranks, merged in the order they came.

import { HttpError } from "../error-response.ts"
import { LIMITS } from "../limits.ts"
import type { Route } from "../router.ts"
import type { Services } from "../services.ts"

export function logRoutes({ logs }: Services): Route[] {
  return [
    {
      method: "GET",
      path: "/logs",
      access: "key",
      doc: {
        summary: "The newest log lines of the front and of all ranks.",
        query: {
          after: "Only lines with a higher sequence number.",
          limit: `At most so many, the newest, 1 to ${LIMITS.logLines}.`,
        },
        answer: "application/json",
      },
      handle(exchange) {
        const query = new URLSearchParams(exchange.request.query)
        const after = whole(query, "after", 0, Number.MAX_SAFE_INTEGER, 0)
        const limit = whole(query, "limit", 1, LIMITS.logLines, LIMITS.logLines)
        exchange.sendJson(200, { lines: logs.since(after).slice(-limit) }, { "cache-control": "no-store" })
      },
    },
  ]
}

function whole(query: URLSearchParams, name: string, least: number, most: number, otherwise: number): number {
  const value = Number(query.get(name) ?? otherwise)
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw new HttpError("invalid_value", `${name} is a whole number from ${least} to ${most}.`, { param: name })
}
