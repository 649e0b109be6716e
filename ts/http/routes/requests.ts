// GET /requests and GET /requests/{id}: the request history, its filters and one request's timeline.

import type { RequestView } from "../../dashboard/index.ts"
import { HttpError } from "../error-response.ts"
import { LIMITS } from "../limits.ts"
import type { Route } from "../router.ts"
import type { Services } from "../services.ts"
import { latencyView } from "../snapshot-builder.ts"

const FRESH = { "cache-control": "no-store" } as const
const ENDED = ["ok", "slow", "error", "cancelled"] as const
const OPEN = ["queued", "running"] as const
const STATUSES: readonly string[] = [...ENDED, ...OPEN]

export function requestRoutes({ metrics }: Services): Route[] {
  return [
    {
      method: "GET",
      path: "/requests",
      access: "key",
      doc: {
        summary: "The newest requests with their timelines, and latencies since the start.",
        query: {
          status: `Only these, joined by commas: ${STATUSES.join(", ")}. Default: those that have ended.`,
          kind: "Only this kind, such as chat.",
          limit: `At most so many, 1 to ${LIMITS.requestHistory}.`,
        },
        answer: "application/json",
      },
      handle(exchange) {
        const wanted = filterOf(new URLSearchParams(exchange.request.query))
        const all = [...metrics.runningRequests(), ...metrics.requestLog()]
        const requests = all.filter((each) => wanted.matches(each)).slice(0, wanted.limit)
        exchange.sendJson(200, { requests, latency_ms: latencyView(metrics) }, FRESH)
      },
    },
    {
      method: "GET",
      path: "/requests/*",
      access: "key",
      doc: { summary: "One request of the history, or one that runs.", answer: "application/json" },
      handle(exchange) {
        const id = exchange.rest
        const found = [...metrics.runningRequests(), ...metrics.requestLog()].find((request) => request.id === id)
        if (found === undefined)
          throw new HttpError("not_found", `No request of this id is among the last ${LIMITS.requestHistory}.`)
        exchange.sendJson(200, found, FRESH)
      },
    },
  ]
}

interface Filter {
  readonly limit: number
  matches(request: RequestView): boolean
}

function filterOf(query: URLSearchParams): Filter {
  for (const name of query.keys())
    if (!["status", "kind", "limit"].includes(name))
      throw new HttpError("invalid_value", "The filters are status, kind and limit.", { param: name.slice(0, 64) })
  const statuses: readonly string[] = query.get("status")?.split(",") ?? ENDED
  if (!statuses.every((status) => STATUSES.includes(status)))
    throw new HttpError("invalid_value", `status is one or several of ${STATUSES.join(", ")}.`, { param: "status" })
  const limit = Number(query.get("limit") ?? LIMITS.requestHistory)
  if (!Number.isInteger(limit) || limit < 1 || limit > LIMITS.requestHistory)
    throw new HttpError("invalid_value", `limit is a whole number from 1 to ${LIMITS.requestHistory}.`, {
      param: "limit",
    })
  const kind = query.get("kind")
  return {
    limit,
    matches: (request) => statuses.includes(request.status) && (kind === null || request.kind === kind),
  }
}
