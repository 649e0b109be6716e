// What all chunks of one answer carry alike.

import { randomUUID } from "node:crypto"

export interface ReplyIdentity {
  readonly id: string
  /** Unix seconds. */
  readonly created: number
  readonly model: string
}

export function createReplyIdentity(prefix: "chatcmpl" | "cmpl", model: string): ReplyIdentity {
  return {
    id: `${prefix}-${randomUUID().replaceAll("-", "")}`,
    created: Math.floor(Date.now() / 1000),
    model,
  }
}
