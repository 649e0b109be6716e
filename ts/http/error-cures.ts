// What an operator can do about each error of the error log: GET /errors and the dashboard show it beside the cause.

import type { ErrorCode } from "./error-response.ts"

/** Errors of the cluster that no single request stands for. */
export const INCIDENTS = {
  rank_lost: "A rank was lost; the cluster starts it again.",
  load_failed: "The model could not be loaded.",
  step_failed: "A step of the engine failed; its requests ended.",
} as const
export type IncidentCode = keyof typeof INCIDENTS

const CURES: Readonly<Partial<Record<ErrorCode | IncidentCode, string>>> = {
  rank_lost:
    "The rank starts again by itself. If it keeps ending, read its last lines with mlx-cluster logs; a rank ended by " +
    "SIGKILL usually ran out of memory: use a smaller model, a smaller --kv-gb or a shorter --context.",
  load_failed: "Check the model's files, or fetch them again, and that they fit the memory of every rank.",
  step_failed: "If it comes again, lower --max-running or --prefill-chunk, and report it with the lines around it.",
  model_unreadable: "Check the model's files, or fetch them again.",
  out_of_memory: "Raise --kv-gb, lower --max-running, or ask for fewer tokens.",
  engine_lost: "Send the request again; the entry rank_lost says why the rank ended.",
  engine_unavailable: "Wait until /ready answers 200.",
  stalled: "The rank hangs or the machine is overloaded: see the ranks' heartbeats and the link, then restart it.",
  cancelled: "Send the request again.",
  template_timeout: "Shorten the conversation, or use a model with a simpler chat template.",
  internal: "A fault of the server: report it with its log line.",
}

const UNKNOWN = "The server's log says more: mlx-cluster logs."

export function cureOf(code: string): string {
  return new Map<string, string>(Object.entries(CURES)).get(code) ?? UNKNOWN
}
