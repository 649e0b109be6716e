// The errors of ts/engine: one table. Knows no HTTP; ts/http maps codes to statuses.

/** What each code means to the caller. The text after the code is the sentence for a person. */
const ENGINE_ERRORS = {
  context_length_exceeded: "The prompt is longer than the model's context.",
  invalid_request: "The request asks for something the engine cannot do.",
  invalid_template: "The chat template could not render these messages.",
  template_timeout: "The chat template took too long to render.",
  model_not_found: "No such model is loaded.",
  model_unreadable: "The model files cannot be used.",
  overloaded: "Too many requests are waiting.",
  out_of_memory: "The KV memory cannot hold this request.",
  engine_lost: "The rank process ended while it served this request.",
  engine_unavailable: "The engine is starting or restarting.",
  cancelled: "The request was cancelled.",
  internal: "The engine failed.",
} as const

export type EngineErrorCode = keyof typeof ENGINE_ERRORS

export class EngineError extends Error {
  override readonly name = "EngineError"
  readonly code: EngineErrorCode
  /** The request field at fault, where there is one. */
  readonly param: string | undefined

  constructor(code: EngineErrorCode, message?: string, options?: { param?: string; cause?: unknown }) {
    super(message ?? ENGINE_ERRORS[code], options?.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.param = options?.param
  }
}
