// The errors of ts/operations: one table.

const OPERATION_ERRORS = {
  install_incomplete: "This installation lacks a part.",
  install_failed: "The program could not be installed on a host.",
  model_missing: "There is no such model here.",
  copy_failed: "A file could not be copied to a host.",
  hub_refused: "The hub does not give this model.",
  hub_unreachable: "The hub does not answer.",
  no_room: "The disk has no room for this model.",
} as const

export type OperationErrorCode = keyof typeof OPERATION_ERRORS

/** The message says what happened and what to do. */
export class OperationError extends Error {
  override readonly name = "OperationError"
  readonly code: OperationErrorCode

  constructor(code: OperationErrorCode, message?: string, cause?: unknown) {
    super(message ?? OPERATION_ERRORS[code], cause === undefined ? undefined : { cause })
    this.code = code
  }
}
