// One WebSocket of /v1/stream: many requests over one connection, each told apart by the client's id. Takes the bodies of
// the HTTP routes and sends what their events carry. Knows no route's fields and no socket library.
//
// A message that cannot be served is answered by an error and harms no other request. With the socket its requests end;
// resumable ones lose their reader.

import { parseJson } from "./body.ts"
import { HttpError, reportError } from "./error-response.ts"
import type { RunSink } from "./generation-run.ts"
import { type GenerationWork, keptEvents, type PrepareWork } from "./generation-work.ts"
import { LIMITS } from "./limits.ts"
import { createReplyCollector } from "./reply-collector.ts"
import { SocketCancel, SocketRequest, SocketResume, type SocketServerMessage } from "./schemas/socket.ts"
import type { AbortReason, PortSocket, SocketListener } from "./server-port.ts"
import type { Services } from "./services.ts"
import { createSocketReader, socketSink } from "./socket-reply.ts"
import { createValidator } from "./validation.ts"

/** Code of RFC 6455. */
const GOING_AWAY = 1001

export interface SocketSessionParts {
  readonly services: Services
  /** By the path of the HTTP route. */
  readonly works: Readonly<Record<string, PrepareWork>>
  readonly client: string
  /** Of the handshake: what the log names. */
  readonly requestId: string
  /** Of the handshake. */
  readonly traceparent: string | undefined
  readonly socket: PortSocket
}

/** A request of this socket that has not ended. */
interface Task {
  cancel(): void
  /** The socket is gone. */
  leave(reason: AbortReason): void
}

const readRequest = createValidator(SocketRequest)
const readCancel = createValidator(SocketCancel)
const readResume = createValidator(SocketResume)

export function createSocketSession(parts: SocketSessionParts): SocketListener {
  const { services, works, client, requestId, traceparent, socket } = parts
  const tasks = new Map<string, Task>()

  const send = (message: SocketServerMessage) => socket.send([JSON.stringify(message)])
  const refuse = (id: string | null, error: unknown) => {
    const report = reportError(error)
    if (report.code === "internal") services.logError(error, requestId)
    send({ type: "error", id, status: report.status, error: report.body.error })
  }
  const member = {
    get idle() {
      return tasks.size === 0
    },
    close: () => socket.close(GOING_AWAY, "the server is shutting down"),
  }
  services.sockets.add(member)

  const ended = (id: string) => {
    if (tasks.delete(id) && tasks.size === 0) services.sockets.rested(member)
  }
  const failed = (id: string, error: unknown) => {
    refuse(id, error)
    ended(id)
  }

  function checkRoom(): void {
    if (tasks.size < LIMITS.socketRequests) return
    throw new HttpError("too_many_requests", `At most ${LIMITS.socketRequests} requests run on one WebSocket.`)
  }

  function begin(id: string, path: string, body: object): void {
    checkRoom()
    const prepare = Object.hasOwn(works, path) ? works[path] : undefined
    if (prepare === undefined)
      throw new HttpError("invalid_value", `'path' must be one of ${Object.keys(works).join(", ")}.`, { param: "path" })
    services.admission.check(client)
    const work = prepare({ ...body, stream: ("stream" in body ? body.stream : null) ?? true }, client)
    tasks.set(id, work.resumable ? resumable(id, work) : single(id, work))
    send({
      type: "started",
      id,
      stream: work.id,
      ...(work.ignored.length === 0 ? {} : { ignored_fields: work.ignored.slice(0, LIMITS.ignoredFieldsNamed) }),
    })
  }

  const start = ({ id, kind, requests, keep }: GenerationWork, sink: RunSink) =>
    services.runs.start({ id, kind, client, requests, traceparent }, keptEvents(sink, keep))

  function single(id: string, work: GenerationWork): Task {
    const end = { done: () => ended(id), failed: (error: unknown) => failed(id, error) }
    const whole = (data: unknown) => {
      socket.send([JSON.stringify({ type: "chunk", id, data }), JSON.stringify({ type: "done", id })])
      ended(id)
    }
    const sink = work.streamed
      ? socketSink(socket, id, work.format(), end)
      : createReplyCollector(work.choices, (choices, usage) => whole(work.whole(choices, usage)), end.failed)
    const run = start(work, sink)
    return { cancel: () => run.abandon("closed"), leave: (reason) => run.abandon(reason) }
  }

  const readerOf = (id: string) =>
    createSocketReader(socket, id, { done: () => ended(id), failed: (error) => failed(id, error) })

  function resumable(id: string, work: GenerationWork): Task {
    const spec = {
      id: work.id,
      owner: client,
      format: work.format(),
      start: (sink: RunSink) => start(work, sink),
      onError: (error: unknown) => services.logError(error, requestId),
    }
    return services.streams.open(spec, readerOf(id))
  }

  function resume(id: string, name: string, after: number): void {
    checkRoom()
    const stream = services.streams.attach(name, client, after, readerOf(id))
    if (stream !== null) tasks.set(id, stream)
    send({ type: "started", id, stream: name })
    if (stream === null) send({ type: "done", id })
    else stream.start()
  }

  function cancel(id: string): void {
    // It may have ended while the message was on its way: then its end is the answer.
    const task = tasks.get(id)
    if (task === undefined) return
    task.cancel()
    send({ type: "cancelled", id })
    ended(id)
  }

  function receive(value: unknown, claim: (id: string) => void): void {
    switch (typeOf(value)) {
      case "request": {
        const message = readRequest(value)
        claim(message.id)
        return begin(message.id, message.path, message.body)
      }
      case "resume": {
        const message = readResume(value)
        claim(message.id)
        return resume(message.id, message.stream, message.after ?? 0)
      }
      case "cancel":
        return cancel(readCancel(value).id)
      default:
        throw new HttpError("invalid_value", '\'type\' must be "request", "resume" or "cancel".', { param: "type" })
    }
  }

  return {
    message(text) {
      /** Whose end an error would be. */
      let owner: string | null = null
      try {
        receive(parseJson(text), (id) => {
          if (tasks.has(id))
            throw new HttpError("invalid_value", `'id' ${JSON.stringify(id)} is taken by a request that runs.`, {
              param: "id",
            })
          owner = id
        })
      } catch (error) {
        refuse(owner, error)
      }
    },
    closed(reason) {
      services.sockets.remove(member)
      for (const task of tasks.values()) task.leave(reason)
      tasks.clear()
    },
  }
}

function typeOf(value: unknown): unknown {
  return typeof value === "object" && value !== null && "type" in value ? value.type : undefined
}
