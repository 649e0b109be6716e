// One request and its answer, as a route sees them: identity, body, and the few ways to answer. Knows no route.

import { parseJson } from "./body.ts"
import { isRefusal, reportError } from "./error-response.ts"
import type { AbortReason, Headers, PortRequest, PortResponse, StreamWriter } from "./server-port.ts"

export interface Exchange {
  readonly request: PortRequest
  /** Echoed from x-request-id or made here. */
  readonly requestId: string
  /** Who asks: "key:..." or "ip:...". */
  readonly client: string
  /** What a route's trailing wildcard stands for, percent-decoded once. */
  readonly rest: string
  readonly ended: boolean
  onAbort(listener: (reason: AbortReason) => void): void
  /** The body as a JSON value. Throws HttpError. */
  json(): Promise<unknown>
  send(status: number, contentType: string, body: string | Buffer, headers?: Headers): void
  sendJson(status: number, value: unknown, headers?: Headers): void
  /** The error object, with its status and headers. After the end it does nothing. */
  fail(error: unknown): void
  stream(contentType: string, filler: string, headers?: Headers): StreamWriter
  /** The handshake's headers; counts the answer. */
  switching(): Headers
}

export interface ExchangeParts {
  readonly request: PortRequest
  readonly response: PortResponse
  readonly requestId: string
  readonly client: string
  readonly rest: string
  /** Sent with every answer. */
  readonly headers: Headers
  /** The connection ends after this answer. */
  readonly closing: boolean
  /** Told once, with the status. */
  onStatus(status: number): void
  /** Told of every failed answer of the server's own making (5xx). */
  onFailure(code: string, message: string, error: unknown): void
}

/** nginx would gather a stream. */
const UNBUFFERED = { "x-accel-buffering": "no" } as const

export function createExchange(parts: ExchangeParts): Exchange {
  const { request, response } = parts
  const answer = (status: number, headers: Headers, body: string | Buffer, close: boolean) => {
    if (response.ended) return
    parts.onStatus(status)
    response.send(status, { ...parts.headers, ...headers }, body, close)
  }
  const exchange: Exchange = {
    request,
    requestId: parts.requestId,
    client: parts.client,
    rest: parts.rest,
    get ended() {
      return response.ended
    },
    onAbort: (listener) => response.onAbort(listener),
    json: async () => parseJson(await request.body()),
    send: (status, contentType, body, headers = {}) =>
      answer(status, { "content-type": contentType, ...headers }, body, parts.closing),
    sendJson: (status, value, headers = {}) =>
      exchange.send(status, "application/json; charset=utf-8", JSON.stringify(value), headers),
    fail(error) {
      if (response.ended) return
      const report = reportError(error)
      if (report.status >= 500 && !isRefusal(report.code)) parts.onFailure(report.code, report.message, error)
      // The rest of a body that nobody will read makes the connection useless.
      const unread = report.code === "body_too_large" || report.code === "request_timeout"
      const headers = { "content-type": "application/json; charset=utf-8", ...report.headers }
      answer(report.status, headers, JSON.stringify(report.body), unread || parts.closing || report.code === "draining")
    },
    stream(contentType, filler, headers = {}) {
      parts.onStatus(200)
      const all = {
        ...parts.headers,
        "content-type": contentType,
        "cache-control": "no-cache",
        ...UNBUFFERED,
        ...headers,
      }
      return response.stream(200, all, filler)
    },
    switching() {
      parts.onStatus(101)
      return parts.headers
    },
  }
  return exchange
}
