// The messages of the control plane: what they carry, from which version on, and who may send them. Every message is
// checked here on receipt; inside, types are trusted. Documented in docs/control-protocol.md.

import { Type, type Static, type TObject } from "typebox"
import { Compile, type Validator } from "typebox/compile"
import { ControlError } from "./errors.ts"

/** Versions this program speaks. Version 1 was the first control plane: hello, task, done without authentication. */
export const PROTOCOL = { min: 2, max: 2 } as const

const Rank = Type.Integer({ minimum: 0, maximum: 255 })
const Epoch = Type.Integer({ minimum: 0, maximum: 0xffffffff })
const Version = Type.Integer({ minimum: 1, maximum: 65_535 })
const Nonce = Type.String({ pattern: "^[0-9a-f]{64}$" })
const Proof = Type.String({ pattern: "^[0-9a-f]{64}$" })
const Text = Type.String({ maxLength: 65_536 })
const Bytes = Type.Number({ minimum: 0 })
const Seconds = Type.Number({ minimum: 0.01, maximum: 3_600 })

/** Totals since the rank began. */
const Work = Type.Object({
  steps: Type.Number(),
  plans: Type.Number(),
  plan_encode_us: Type.Number(),
  plan_send_us: Type.Number(),
  plan_decode_us: Type.Number(),
  plans_in_time: Type.Number(),
  plans_late: Type.Number(),
  beats: Type.Number(),
  beat_us: Type.Number(),
  cpu_us: Type.Number(),
})

const Memory = Type.Object({
  total_bytes: Bytes,
  available_bytes: Bytes,
  rss_bytes: Bytes,
  active_bytes: Bytes,
  cache_bytes: Bytes,
  peak_bytes: Bytes,
  model_bytes: Bytes,
  kv_bytes: Bytes,
})

/** Numbers are append-only: a message keeps its number and its fields; a new field is optional. */
const schemas = {
  1: Type.Object({ type: Type.Literal("challenge"), protocol_min: Version, protocol_max: Version, nonce: Nonce }),
  2: Type.Object({
    type: Type.Literal("hello"),
    rank: Rank,
    epoch: Epoch,
    protocol: Version,
    nonce: Nonce,
    proof: Proof,
    hostname: Type.String({ maxLength: 255 }),
    pid: Type.Integer({ minimum: 0 }),
    version: Type.String({ maxLength: 64 }),
  }),
  3: Type.Object({ type: Type.Literal("welcome"), proof: Proof }),
  4: Type.Object({
    type: Type.Literal("config"),
    heartbeat_interval_s: Seconds,
    metrics_interval_s: Seconds,
    probe_interval_s: Seconds,
  }),
  /** `timestamp`: Unix seconds of the sender's clock. */
  5: Type.Object({
    type: Type.Literal("heartbeat"),
    rank: Rank,
    memory: Memory,
    timestamp: Type.Number(),
    detail: Type.Optional(Text),
  }),
  6: Type.Object({ type: Type.Literal("metrics"), rank: Rank, memory: Memory, work: Type.Optional(Work) }),
  /** A request to a rank; each is answered by one done with the same id. */
  7: Type.Object({
    type: Type.Literal("task"),
    id: Type.Integer({ minimum: 1 }),
    name: Type.String({ maxLength: 64 }),
    body: Type.Unknown(),
  }),
  8: Type.Object({
    type: Type.Literal("done"),
    rank: Rank,
    id: Type.Integer({ minimum: 1 }),
    ok: Type.Boolean(),
    body: Type.Unknown(),
  }),
  9: Type.Object({
    type: Type.Literal("log"),
    level: Type.Union([Type.Literal("info"), Type.Literal("warn"), Type.Literal("error")]),
    text: Text,
  }),
  /** The last message before the sender closes the connection. */
  10: Type.Object({ type: Type.Literal("error"), code: Type.String({ maxLength: 64 }), message: Text }),
  /** Leave now: collectives are aborted, nothing is finished. */
  11: Type.Object({ type: Type.Literal("abort"), reason: Text }),
  /** Leave in good order within the grace. */
  12: Type.Object({ type: Type.Literal("shutdown"), grace_s: Type.Number({ minimum: 0, maximum: 3_600 }) }),
  /** What the rank is busy with, for a person: loading, ready. */
  13: Type.Object({ type: Type.Literal("state"), rank: Rank, detail: Text }),
} as const

type Schemas = typeof schemas
export type Message = { [N in keyof Schemas]: Static<Schemas[N]> }[keyof Schemas]
export type MessageType = Message["type"]
export type MessageOf<T extends MessageType> = Extract<Message, { type: T }>
export type WireMemory = Static<typeof Memory>
export type WireWork = Static<typeof Work>

export type Sender = "coordinator" | "rank"

export interface MessageRow {
  readonly number: number
  readonly type: MessageType
  readonly from: Sender | "both"
  /** Protocol version that brought it. */
  readonly since: number
  readonly schema: TObject
}

/** Every message, by number. Append only. */
export const MESSAGES: readonly MessageRow[] = [
  { number: 1, type: "challenge", from: "coordinator", since: 2, schema: schemas[1] },
  { number: 2, type: "hello", from: "rank", since: 2, schema: schemas[2] },
  { number: 3, type: "welcome", from: "coordinator", since: 2, schema: schemas[3] },
  { number: 4, type: "config", from: "coordinator", since: 2, schema: schemas[4] },
  { number: 5, type: "heartbeat", from: "rank", since: 2, schema: schemas[5] },
  { number: 6, type: "metrics", from: "rank", since: 2, schema: schemas[6] },
  { number: 7, type: "task", from: "coordinator", since: 2, schema: schemas[7] },
  { number: 8, type: "done", from: "rank", since: 2, schema: schemas[8] },
  { number: 9, type: "log", from: "rank", since: 2, schema: schemas[9] },
  { number: 10, type: "error", from: "both", since: 2, schema: schemas[10] },
  { number: 11, type: "abort", from: "coordinator", since: 2, schema: schemas[11] },
  { number: 12, type: "shutdown", from: "coordinator", since: 2, schema: schemas[12] },
  { number: 13, type: "state", from: "rank", since: 2, schema: schemas[13] },
]

const validators = new Map<string, { row: MessageRow; validator: Validator }>(
  MESSAGES.map((row) => [row.type, { row, validator: Compile(row.schema) }]),
)

/** Parses and checks a message of `sender`. Throws ControlError that names the message and the field. */
export function parseMessage(text: string, sender: Sender): Message {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new ControlError("message_invalid", "a message that is not JSON", error)
  }
  const type: unknown = typeof value === "object" && value !== null && "type" in value ? value.type : undefined
  if (typeof type !== "string") throw new ControlError("message_invalid", "a message without a type")
  const entry = validators.get(type)
  if (entry === undefined) {
    throw new ControlError("message_invalid", `an unknown message ${JSON.stringify(type.slice(0, 64))}`)
  }
  if (entry.row.from !== "both" && entry.row.from !== sender) {
    throw new ControlError("message_invalid", `a ${type} message from a ${sender}`)
  }
  if (!entry.validator.Check(value)) {
    const first = entry.validator.Errors(value)[0]
    throw new ControlError("message_invalid", `${type}${first?.instancePath ?? ""} ${first?.message ?? "is invalid"}`)
  }
  // The validator of this type has just accepted the value.
  return value as Message
}

export function encodeMessage(message: Message): string {
  return JSON.stringify(message)
}
