// One WebSocket of /v1/stream: many requests over one connection, each told apart by the client's id. Takes the bodies of
// the HTTP routes and sends what their events carry. Knows no route's fields and no socket library.
//
// A message that cannot be served is answered by an error and harms no other request. All requests end with the socket.

import { parseJson } from "./body.ts"
import { HttpError, reportError } from "./error-response.ts"
import type { Run, RunSink } from "./generation-run.ts"
import { type GenerationWork, keptEvents, type PrepareWork } from "./generation-work.ts"
import { LIMITS } from "./limits.ts"
import { createReplyCollector } from "./reply-collector.ts"
import { SocketCancel, SocketRequest, type SocketServerMessage } from "./schemas/socket.ts"
import type { PortSocket, SocketListener } from "./server-port.ts"
import type { Services } from "./services.ts"
import { sseData } from "./sse.ts"
import { createValidator } from "./validation.ts"

/** Codes of RFC 6455. */
const GOING_AWAY = 1001

export interface SocketSessionParts {
  readonly services: Services
  /** By the path of the HTTP route. */
  readonly works: Readonly<Record<string, PrepareWork>>
  readonly client: string
  /** Of the handshake: what the log names. */
  readonly requestId: string
  readonly socket: PortSocket
}

const request = createValidator(SocketRequest)
const cancel = createValidator(SocketCancel)

export function createSocketSession(parts: SocketSessionParts): SocketListener {
  const { services, works, client, requestId, socket } = parts
  const runs = new Map<string, Run>()

  const send = (...messages: readonly SocketServerMessage[]) =>
    socket.send(messages.map((message) => JSON.stringify(message)))
  const refuse = (id: string | null, error: unknown) => {
    const report = reportError(error)
    if (report.code === "internal") services.logError(error, requestId)
    send({ type: "error", id, status: report.status, error: report.body.error })
  }
  const member = {
    get idle() {
      return runs.size === 0
    },
    close: () => socket.close(GOING_AWAY, "the server is shutting down"),
  }
  services.sockets.add(member)

  const ended = (id: string) => {
    runs.delete(id)
    if (runs.size === 0) services.sockets.rested(member)
  }

  function begin(id: string, path: string, body: object): void {
    if (runs.has(id))
      throw new HttpError("invalid_value", `'id' ${JSON.stringify(id)} is taken by a request that runs.`, {
        param: "id",
      })
    if (runs.size >= LIMITS.socketRequests)
      throw new HttpError("too_many_requests", `At most ${LIMITS.socketRequests} requests run on one WebSocket.`)
    const prepare = Object.hasOwn(works, path) ? works[path] : undefined
    if (prepare === undefined)
      throw new HttpError("invalid_value", `'path' must be one of ${Object.keys(works).join(", ")}.`, { param: "path" })
    services.admission.check(client)
    const work = prepare({ ...body, stream: ("stream" in body ? body.stream : null) ?? true }, client)
    const sink = work.streamed ? streamSink(id, work) : wholeSink(id, work)
    const spec = { id: work.id, kind: work.kind, client, requests: work.requests }
    runs.set(id, services.runs.start(spec, keptEvents(sink, work.keep)))
    send({
      type: "started",
      id,
      stream: work.id,
      ...(work.ignored.length === 0 ? {} : { ignored_fields: work.ignored.slice(0, LIMITS.ignoredFieldsNamed) }),
    })
  }

  function streamSink(id: string, work: GenerationWork): RunSink {
    const format = work.format()
    const head = `{"type":"chunk","id":${JSON.stringify(id)},"data":`
    const chunks = (text: string) => sseData(text).flatMap((json) => (json === "[DONE]" ? [] : [`${head}${json}}`]))
    return {
      events: (events) => socket.send(chunks(format.events(events))),
      done(usage) {
        socket.send([...chunks(format.done(usage)), JSON.stringify({ type: "done", id })])
        ended(id)
      },
      failed: (error) => failed(id, error),
    }
  }

  function wholeSink(id: string, work: GenerationWork): RunSink {
    const answer = (data: unknown) => {
      socket.send([JSON.stringify({ type: "chunk", id, data }), JSON.stringify({ type: "done", id })])
      ended(id)
    }
    return createReplyCollector(
      work.choices,
      (choices, usage) => answer(work.whole(choices, usage)),
      (error) => failed(id, error),
    )
  }

  function failed(id: string, error: unknown): void {
    refuse(id, error)
    ended(id)
  }

  function stop(id: string): void {
    // It may have ended while the message was on its way: then its end is the answer.
    const run = runs.get(id)
    if (run === undefined) return
    run.abandon("closed")
    send({ type: "cancelled", id })
    ended(id)
  }

  return {
    message(text) {
      let id: string | null = null
      try {
        const value = parseJson(text)
        switch (typeOf(value)) {
          case "request": {
            const message = request(value)
            if (!runs.has(message.id)) id = message.id
            begin(message.id, message.path, message.body)
            break
          }
          case "cancel":
            stop(cancel(value).id)
            break
          default:
            throw new HttpError("invalid_value", '\'type\' must be "request" or "cancel".', { param: "type" })
        }
      } catch (error) {
        refuse(id, error)
      }
    },
    closed(reason) {
      services.sockets.remove(member)
      for (const run of runs.values()) run.abandon(reason)
      runs.clear()
    },
  }
}

function typeOf(value: unknown): unknown {
  return typeof value === "object" && value !== null && "type" in value ? value.type : undefined
}
