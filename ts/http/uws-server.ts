// ServerPort over uWebSockets.js. Knows no route. Rules of the library that this file keeps, so that nobody else must:
// the request object dies when the handler returns; onAborted is set before anything else; a throw inside a handler
// would abort the process; body chunks are neutered after the call and therefore copied; every later write is corked;
// after the end or an abort the response object is never touched again.

import type uWebSockets from "uWebSockets.js"
import type { HttpRequest, HttpResponse, us_listen_socket } from "uWebSockets.js"
import { createServer as createProbe } from "node:net"
import { STATUS_CODES } from "node:http"
import { createBodyCollector, declaredLength, type BodyCollector } from "./body-collector.ts"
import { LIMITS } from "./limits.ts"
import { createOutlet, type Outlet } from "./outlet.ts"
import type {
  AbortReason,
  Headers,
  PortHandler,
  PortRequest,
  PortResponse,
  PortSettings,
  ServerPort,
} from "./server-port.ts"
import { serveUwsSockets, type UwsHandshake } from "./uws-sockets.ts"

export type UwsModule = typeof uWebSockets

/** Rejects where the package has no binary that loads here. */
export async function loadUws(): Promise<UwsModule> {
  // Read by the library when its binary is loaded, and never again.
  process.env["UWS_HTTP_MAX_HEADERS_SIZE"] ??= String(LIMITS.headerBytes)
  const { default: uws } = await import("uWebSockets.js")
  return uws
}

export function createUwsServer(uws: UwsModule, handler: PortHandler, settings: PortSettings): ServerPort {
  const app = uws.App()
  let listening: us_listen_socket | undefined
  let closed = false

  const serve: UwsHandshake = (res, req, acceptor) => {
    const guard = createGuard(res)
    try {
      const collector = acceptor === null ? startBody(res, req, guard, settings.bodyLimit) : noBody()
      const request = readRequest(res, req, collector)
      handler(
        request,
        createResponse(res, request, guard, settings),
        acceptor?.((take) => guard.end(take)),
      )
    } catch {
      // The handler answers its own errors; whatever comes here must still not end the process.
      guard.end(() => res.writeStatus("500 Internal Server Error").end("", true))
    }
  }
  // Told of a connection when it opens, not when it has sent a request; of its end unless it became a WebSocket.
  app.filter((res, change) => {
    if (Number(change) < 0) settings.connections.closed()
    else if (!settings.connections.opened()) res.close()
  })
  for (const path of settings.socketPaths) serveUwsSockets(app, path, serve, settings)
  app.any("/*", (res, req) => serve(res, req, null))

  return {
    kind: "uws",
    async listen(host, port) {
      // The library listens with SO_REUSEPORT: a second server on the same port would silently share its clients.
      if (port !== 0) await probePort(host, port)
      return new Promise((resolve, reject) => {
        app.listen(host, port, (socket) => {
          if (socket === false) return reject(new Error(`cannot listen on ${host} port ${port}`))
          listening = socket
          resolve({ host, port: uws.us_socket_local_port(socket) })
        })
      })
    },
    stopListening() {
      if (listening !== undefined) uws.us_listen_socket_close(listening)
      listening = undefined
    },
    close() {
      if (!closed) app.close()
      closed = true
      listening = undefined
      return Promise.resolve()
    },
  }
}

function probePort(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const probe = createProbe()
    probe.once("error", reject)
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve()))
  })
}

/** One for each response: the only place that knows whether `res` may still be touched. */
interface ResponseGuard {
  readonly ended: boolean
  /** Runs `action` inside the cork, and never again after it. */
  end(action: () => void): void
  gone(reason: AbortReason): void
  listener: ((reason: AbortReason) => void) | undefined
  outlet: Outlet | undefined
  body: BodyCollector | undefined
}

function createGuard(res: HttpResponse): ResponseGuard {
  let ended = false
  const guard: ResponseGuard = {
    get ended() {
      return ended
    },
    end(action) {
      if (ended) return
      ended = true
      res.cork(action)
    },
    gone(reason) {
      if (ended) return
      ended = true
      guard.body?.abort()
      guard.outlet?.closed()
      guard.listener?.(reason)
    },
    listener: undefined,
    outlet: undefined,
    body: undefined,
  }
  res.onAborted(() => guard.gone("closed"))
  return guard
}

function noBody(): BodyCollector {
  const collector = createBodyCollector(0, null)
  collector.finish()
  return collector
}

function startBody(res: HttpResponse, req: HttpRequest, guard: ResponseGuard, limit: number): BodyCollector {
  const collector = createBodyCollector(limit, declaredLength(req.getHeader("content-length") || undefined))
  guard.body = collector
  res.onData((chunk, isLast) => {
    if (guard.ended) return
    if (chunk.byteLength > 0) collector.push(Buffer.from(chunk.slice(0)))
    if (isLast) collector.finish()
  })
  return collector
}

function readRequest(res: HttpResponse, req: HttpRequest, collector: BodyCollector): PortRequest {
  const headers = new Map<string, string>()
  req.forEach((name, value) => {
    const before = headers.get(name)
    headers.set(name, before === undefined ? value : `${before}, ${value}`)
  })
  return {
    method: req.getMethod().toUpperCase(),
    path: req.getUrl(),
    query: req.getQuery() ?? "",
    headers,
    clientAddress: shortAddress(Buffer.from(res.getRemoteAddressAsText()).toString("latin1")),
    body: () => collector.body(),
  }
}

/** uWS writes IPv4 over a dual-stack socket as eight groups: give the dotted form. */
function shortAddress(text: string): string {
  const mapped = /^(?:0{4}:){5}ffff:([\da-f]{2})([\da-f]{2}):([\da-f]{2})([\da-f]{2})$/.exec(text)
  if (mapped === null) return text
  return mapped
    .slice(1)
    .map((byte) => Number.parseInt(byte, 16))
    .join(".")
}

function createResponse(
  res: HttpResponse,
  request: PortRequest,
  guard: ResponseGuard,
  settings: PortSettings,
): PortResponse {
  return {
    get ended() {
      return guard.ended
    },
    onAbort(listener) {
      guard.listener = listener
    },
    send(status, headers, body, close = false) {
      guard.end(() => {
        writeHead(res, status, headers)
        if (close) res.writeHeader("connection", "close")
        if (status === 204 || status === 304) res.endWithoutBody(undefined, close)
        else if (request.method === "HEAD") res.endWithoutBody(Buffer.byteLength(body), close)
        else res.end(body, close)
      })
      guard.body?.abort()
    },
    stream(status, headers, filler) {
      let corked = false
      const inCork = <T>(action: () => T): T => {
        if (corked) return action()
        let result: T | undefined
        corked = true
        try {
          res.cork(() => {
            result = action()
          })
        } finally {
          corked = false
        }
        return result as T // cork runs its callback before it returns
      }
      const outlet = createOutlet(
        {
          write: (text) => inCork(() => res.write(text)),
          end: (text) =>
            guard.end(() => {
              if (text !== "") res.write(text)
              res.end()
            }),
          abort() {
            const owner = guard.listener
            guard.listener = undefined // the overflow tells it, with its own reason
            res.close()
            guard.listener = owner
          },
        },
        {
          filler,
          pendingLimit: settings.pendingLimit,
          onOverflow: () => guard.listener?.("slow"),
        },
      )
      guard.outlet = outlet
      res.onWritable(() => inCork(() => outlet.writable()))
      inCork(() => writeHead(res, status, headers))
      return outlet
    },
  }
}

function writeHead(res: HttpResponse, status: number, headers: Headers): void {
  res.writeStatus(`${status} ${STATUS_CODES[status] ?? "Unknown"}`)
  for (const [name, value] of Object.entries(headers)) res.writeHeader(name, value)
}
