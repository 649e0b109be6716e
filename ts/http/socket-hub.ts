// The WebSockets that are open: how many there may be, and their common end. Knows no message.

import { HttpError } from "./error-response.ts"
import { LIMITS } from "./limits.ts"

interface HubMember {
  /** Nothing runs on it. */
  readonly idle: boolean
  close(): void
}

export interface SocketHub {
  readonly size: number
  /** Throws HttpError draining or overloaded. */
  check(): void
  add(member: HubMember): void
  remove(member: HubMember): void
  /** A member has become idle. */
  rested(member: HubMember): void
  /** Closes each member as soon as nothing runs on it. */
  drain(): void
  /** Closes all. Idempotent. */
  close(): void
}

export function createSocketHub(): SocketHub {
  const members = new Set<HubMember>()
  let draining = false
  return {
    get size() {
      return members.size
    },
    check() {
      if (draining) throw new HttpError("draining")
      if (members.size >= LIMITS.sockets)
        throw new HttpError("overloaded", `${LIMITS.sockets} WebSockets are open. Try again.`)
    },
    add: (member) => void members.add(member),
    remove: (member) => void members.delete(member),
    rested(member) {
      if (draining) member.close()
    },
    drain() {
      draining = true
      for (const member of members) if (member.idle) member.close()
    },
    close() {
      draining = true
      for (const member of members) member.close()
    },
  }
}
