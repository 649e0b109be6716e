// The route table and the one way through it: identity, gate, match, handler, errors. Every route is found from here,
// which tests and the OpenAPI document rely on.

import { randomUUID } from "node:crypto"
import type { TSchema } from "typebox"
import { HttpError } from "./error-response.ts"
import { createExchange, type Exchange } from "./exchange.ts"
import type { Access, Gate } from "./gate.ts"
import { LIMITS } from "./limits.ts"
import type { AcceptSocket, PortHandler, PortRequest } from "./server-port.ts"

export interface Route {
  readonly method: "GET" | "POST" | "DELETE"
  /** Exact, or with a trailing "/*" that stands for one or more segments. */
  readonly path: string
  readonly access: Access
  readonly doc: RouteDoc
  handle(exchange: Exchange): void | Promise<void>
  /** Of a route that can become a WebSocket: takes its handshake by calling `accept`, or answers. */
  upgrade?(exchange: Exchange, accept: AcceptSocket): void
}

export interface RouteDoc {
  readonly summary: string
  readonly body?: TSchema
  /** Query parameters, all optional: name and meaning. */
  readonly query?: Readonly<Record<string, string>>
  /** Answer 200; a string is a content type without a schema. */
  readonly answer: TSchema | string
  /** Schema of one event of a streamed answer. */
  readonly event?: TSchema
  /** Schemas of what either side of a WebSocket sends. */
  readonly messages?: { readonly client: TSchema; readonly server: TSchema }
}

export interface RouterParts {
  readonly routes: readonly Route[]
  readonly gate: Gate
  readonly draining: () => boolean
  /** More connections are open than are served. */
  readonly crowded: () => boolean
  readonly countResponse: (route: string, status: number) => void
  readonly logError: (code: string, message: string, requestId: string, error: unknown) => void
}

interface Match {
  readonly pattern: string
  readonly methods: ReadonlyMap<string, Route>
  readonly rest: string
}

const BASE_HEADERS = { "x-content-type-options": "nosniff" } as const

export function createRouter(parts: RouterParts): PortHandler {
  const table = new Map<string, Map<string, Route>>()
  for (const route of parts.routes) {
    const methods = table.get(route.path) ?? new Map<string, Route>()
    methods.set(route.method, route)
    table.set(route.path, methods)
  }
  const prefixes = [...table.keys()].filter((path) => path.endsWith("/*")).map((path) => path.slice(0, -1))

  const match = (path: string): Match | null => {
    const exact = table.get(path)
    if (exact !== undefined) return { pattern: path, methods: exact, rest: "" }
    const prefix = prefixes.find((start) => path.startsWith(start) && path.length > start.length)
    const methods = prefix === undefined ? undefined : table.get(`${prefix}*`)
    if (prefix === undefined || methods === undefined) return null
    const rest = decode(path.slice(prefix.length))
    return rest === null ? null : { pattern: `${prefix}*`, methods, rest }
  }

  return (request, response, accept) => {
    const requestId = requestIdOf(request)
    const found = match(request.path)
    const headers: Record<string, string> = { ...BASE_HEADERS, "x-request-id": requestId }
    const label = found?.pattern ?? "unknown"
    const make = (client: string): Exchange =>
      createExchange({
        request,
        response,
        requestId,
        client,
        rest: found?.rest ?? "",
        headers,
        closing: parts.draining() || parts.crowded(),
        onStatus: (status) => parts.countResponse(label, status),
        onFailure: (code, message, error) => parts.logError(code, message, requestId, error),
      })
    try {
      // HEAD / is how some agents and load balancers knock; it shows nothing.
      const knock = request.method === "HEAD" && request.path === "/"
      const route = found === null ? undefined : routeFor(found, request.method)
      if (headerBytes(request) > LIMITS.headerBytes) throw new HttpError("headers_too_large")
      const client = parts.gate.admit(
        request,
        knock || request.method === "OPTIONS" ? "open" : (route?.access ?? "open"),
      )
      Object.assign(headers, parts.gate.corsHeaders(request))
      // Open routes are still answered: who watches a full server has to see it alive.
      if (parts.crowded() && route?.access !== "open") throw new HttpError("too_many_connections")
      const exchange = make(client)
      if (found === null)
        return exchange.fail(new HttpError("not_found", `There is no route ${printable(request.path)}.`))
      const allow = allowed(found)
      if (request.method === "OPTIONS") return exchange.send(204, "text/plain", "", { allow })
      if (route === undefined)
        return exchange.fail(new HttpError("method_not_allowed", undefined, { headers: { allow } }))
      if (accept !== undefined && route.upgrade !== undefined) return route.upgrade(exchange, accept)
      const outcome = route.handle(exchange)
      if (outcome instanceof Promise) outcome.catch((error: unknown) => exchange.fail(error))
    } catch (error) {
      make(`ip:${request.clientAddress}`).fail(error)
    }
  }
}

function routeFor(found: Match, method: string): Route | undefined {
  return found.methods.get(method === "HEAD" ? "GET" : method)
}

function allowed(found: Match): string {
  const methods = [...found.methods.keys()]
  if (found.methods.has("GET")) methods.push("HEAD")
  return [...methods, "OPTIONS"].join(", ")
}

function requestIdOf(request: PortRequest): string {
  const given = request.headers.get("x-request-id")
  const usable = given !== undefined && given.length <= LIMITS.requestIdChars && /^[\w.:/+=@-]+$/.test(given)
  return usable ? given : `req_${randomUUID().replaceAll("-", "")}`
}

/** uWS bounds only headers that come in pieces: those of one packet are counted here. */
function headerBytes({ headers, path, query }: PortRequest): number {
  let bytes = path.length + query.length
  for (const [name, value] of headers) bytes += name.length + value.length + ": \r\n".length
  return bytes
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

function printable(path: string): string {
  return path.slice(0, 200).replaceAll(/[^\x21-\x7e]/g, "?")
}
