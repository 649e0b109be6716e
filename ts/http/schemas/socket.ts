// Messages of the WebSocket /v1/stream: what a client may send, and what it hears.

import { type Static, Type } from "typebox"
import { LIMITS } from "../limits.ts"
import { ErrorBody } from "./operations.ts"

const Id = Type.String({
  minLength: 1,
  maxLength: LIMITS.socketIdChars,
  description: "The client's name for the request; unique among those that run on this socket.",
})

export const SocketRequest = Type.Object({
  type: Type.Literal("request"),
  id: Id,
  path: Type.String({ description: 'The HTTP route that would take the body, as "/v1/chat/completions".' }),
  body: Type.Object({}, { description: "As of the HTTP route; streamed unless it says otherwise." }),
})
export const SocketCancel = Type.Object({ type: Type.Literal("cancel"), id: Id })
export const SocketResume = Type.Object({
  type: Type.Literal("resume"),
  id: Id,
  stream: Type.String({ minLength: 1, maxLength: LIMITS.socketIdChars, description: "Id of a resumable answer." }),
  after: Type.Optional(Type.Integer({ minimum: 0, description: "Last event received; from the beginning if absent." })),
})

export const SocketClientMessage = Type.Union([SocketRequest, SocketCancel, SocketResume], {
  title: "SocketClientMessage",
})

const Event = Type.Optional(Type.Integer({ description: "Number of the event, of resumable requests." }))

const Started = Type.Object({
  type: Type.Literal("started"),
  id: Id,
  stream: Type.String({ description: "Id of the answer." }),
  ignored_fields: Type.Optional(Type.Array(Type.String())),
})
const Chunk = Type.Object({
  type: Type.Literal("chunk"),
  id: Id,
  event: Event,
  data: Type.Object({}, { description: "What an event of the HTTP route carries, or its whole answer." }),
})
const Done = Type.Object({ type: Type.Literal("done"), id: Id, event: Event })
const Cancelled = Type.Object({ type: Type.Literal("cancelled"), id: Id })
const Released = Type.Object(
  { type: Type.Literal("released"), id: Id },
  { description: "Another connection goes on with the stream, or ended it." },
)
const Failed = Type.Object({
  type: Type.Literal("error"),
  id: Type.Union([Id, Type.Null()], { description: "Null: the message itself cannot be served." }),
  event: Event,
  status: Type.Integer({ description: "What the HTTP route would answer." }),
  error: ErrorBody.properties.error,
})

export const SocketServerMessage = Type.Union([Started, Chunk, Done, Cancelled, Released, Failed], {
  title: "SocketServerMessage",
})
export type SocketServerMessage = Static<typeof SocketServerMessage>
