// The one table of errors that leave this server, and the OpenAI error object. docs/api.md repeats the table; a test
// holds the two equal. Knows no socket.

import { EngineError, type EngineErrorCode } from "../engine/index.ts"

interface ErrorRow {
  readonly status: number
  readonly type:
    | "invalid_request_error"
    | "authentication_error"
    | "permission_error"
    | "rate_limit_error"
    | "server_error"
  /** Seconds of the Retry-After header. */
  readonly retryAfter?: number
  readonly text: string
}

const badRequest = { status: 400, type: "invalid_request_error" } as const
const unavailable = { status: 503, type: "server_error" } as const

const engineRows = {
  context_length_exceeded: { ...badRequest, text: "The prompt does not fit the model's context." },
  invalid_request: { ...badRequest, text: "The engine cannot do what the request asks." },
  invalid_template: { ...badRequest, text: "The model's chat template could not render these messages." },
  template_timeout: { ...badRequest, text: "The model's chat template took too long over these messages." },
  model_not_found: { status: 404, type: "invalid_request_error", text: "No model of this name is served." },
  model_unreadable: { status: 500, type: "server_error", text: "The model files cannot be used." },
  overloaded: { ...unavailable, retryAfter: 1, text: "Too many requests are waiting. Try again." },
  out_of_memory: { ...unavailable, retryAfter: 5, text: "The KV memory cannot hold this request now." },
  engine_lost: { ...unavailable, retryAfter: 5, text: "The engine process ended while it served this request." },
  engine_unavailable: { ...unavailable, retryAfter: 2, text: "The engine is starting or restarting. Try again." },
  cancelled: { ...unavailable, retryAfter: 1, text: "The request was cancelled by the server." },
  internal: { status: 500, type: "server_error", text: "The server failed. Its log says more." },
} satisfies Record<EngineErrorCode, ErrorRow>

const httpRows = {
  invalid_json: { ...badRequest, text: "The body is not valid JSON." },
  json_too_deep: { ...badRequest, text: "The body nests deeper than the server reads." },
  json_too_large: { ...badRequest, text: "The body holds more values than the server reads." },
  missing_required_parameter: { ...badRequest, text: "A required field is missing." },
  invalid_type: { ...badRequest, text: "A field has the wrong type." },
  invalid_value: { ...badRequest, text: "A field has a value outside its range." },
  unsupported_parameter: { ...badRequest, text: "A field asks for something this server does not do." },
  bad_request: { ...badRequest, text: "The request cannot be read." },
  invalid_api_key: { status: 401, type: "authentication_error", text: "The API key is missing or wrong." },
  forbidden_host: { status: 403, type: "permission_error", text: "The Host header names no host of this server." },
  forbidden_origin: { status: 403, type: "permission_error", text: "Pages of this origin may not use this server." },
  not_found: { status: 404, type: "invalid_request_error", text: "There is no such route." },
  stream_not_found: {
    status: 404,
    type: "invalid_request_error",
    text: "There is no such stream: it was not resumable, its window is over, or another key began it. Send the request again.",
  },
  stream_lost: {
    status: 410,
    type: "invalid_request_error",
    text: "Events of this stream are no longer kept. Send the request again.",
  },
  method_not_allowed: { status: 405, type: "invalid_request_error", text: "The route does not know this method." },
  request_timeout: { status: 408, type: "invalid_request_error", text: "The body did not arrive in time." },
  body_too_large: { status: 413, type: "invalid_request_error", text: "The body is larger than the server reads." },
  upgrade_required: {
    status: 426,
    type: "invalid_request_error",
    text: "This route is a WebSocket: send a WebSocket handshake.",
  },
  headers_too_large: {
    status: 431,
    type: "invalid_request_error",
    text: "The headers are larger than the server reads.",
  },
  too_many_requests: {
    status: 429,
    type: "rate_limit_error",
    retryAfter: 1,
    text: "This client has too many requests.",
  },
  too_many_connections: { ...unavailable, retryAfter: 1, text: "Too many connections are open. Try again." },
  draining: { ...unavailable, retryAfter: 5, text: "The server is shutting down." },
  stalled: { status: 504, type: "server_error", text: "The engine made no progress on this request." },
} satisfies Record<string, ErrorRow>

export const ERROR_TABLE = { ...httpRows, ...engineRows }
export type ErrorCode = keyof typeof ERROR_TABLE

export class HttpError extends Error {
  override readonly name = "HttpError"
  readonly code: ErrorCode
  /** The request field at fault, as "messages.0.role". */
  readonly param: string | null
  readonly headers: Readonly<Record<string, string>>

  constructor(
    code: ErrorCode,
    message?: string,
    options?: { param?: string | undefined; cause?: unknown; headers?: Readonly<Record<string, string>> },
  ) {
    super(message ?? ERROR_TABLE[code].text, options?.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.param = options?.param ?? null
    this.headers = options?.headers ?? {}
  }
}

/** What a client may know of any thrown value: an unforeseen error's own text stays in the log. */
export interface ErrorReport {
  readonly status: number
  readonly code: ErrorCode
  readonly message: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: ErrorObject
}

export interface ErrorObject {
  readonly error: {
    readonly message: string
    readonly type: string
    readonly param: string | null
    readonly code: string
  }
}

/** Refusals of new work: expected under load, counted at admission, and neither logged nor listed as errors. */
export function isRefusal(code: ErrorCode): boolean {
  return (
    code === "overloaded" || code === "engine_unavailable" || code === "draining" || code === "too_many_connections"
  )
}

export function reportError(error: unknown): ErrorReport {
  const known = error instanceof HttpError || error instanceof EngineError
  const code: ErrorCode = known ? error.code : "internal"
  const row: ErrorRow = ERROR_TABLE[code]
  const message = known ? error.message : row.text
  const headers: Record<string, string> = error instanceof HttpError ? { ...error.headers } : {}
  if (row.retryAfter !== undefined && headers["retry-after"] === undefined)
    headers["retry-after"] = String(row.retryAfter)
  const param = known ? (error.param ?? null) : null
  return { status: row.status, code, message, headers, body: { error: { message, type: row.type, param, code } } }
}
