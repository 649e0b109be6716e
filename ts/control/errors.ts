// The errors of ts/control: one table. Knows no HTTP.

/** What each code means. The message of an error says what happened and what to do. */
const CONTROL_ERRORS = {
  bad_hostfile: "The hostfile does not describe a cluster.",
  secret_unusable: "The cluster's secret cannot be read or is readable by others.",
  listen_failed: "The control address cannot be listened on.",
  connect_failed: "The coordinator cannot be reached.",
  connection_lost: "The other side closed the connection.",
  frame_invalid: "Bytes that are not a frame of this protocol.",
  frame_too_large: "A frame is longer than its bound.",
  message_invalid: "A message that this protocol does not know, or with a wrong field.",
  protocol_mismatch: "The two sides have no protocol version in common.",
  authentication_failed: "The other side does not know the cluster's secret.",
  handshake_timeout: "The other side did not authenticate in time.",
  rank_refused: "This rank is not expected here.",
  buffer_overflow: "The other side does not read.",
  rank_silent: "A rank was not heard from in time.",
  ssh_failed: "Another host cannot be reached over ssh.",
  launch_failed: "A rank process could not be started.",
  task_failed: "A rank could not do a task.",
  closed: "It was closed on this side.",
} as const

export type ControlErrorCode = keyof typeof CONTROL_ERRORS

export class ControlError extends Error {
  override readonly name = "ControlError"
  readonly code: ControlErrorCode

  constructor(code: ControlErrorCode, message?: string, cause?: unknown) {
    super(message ?? CONTROL_ERRORS[code], cause === undefined ? undefined : { cause })
    this.code = code
  }
}

/** The text of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
