// Reads a resumable stream as numbered server-sent events on one connection.

import type { ReplyConnection } from "./reply-connection.ts"
import type { StreamReader } from "./resumable-streams.ts"
import { sseNumbered } from "./sse.ts"

export function createSseReader(connection: ReplyConnection): StreamReader {
  return {
    events(events) {
      const text = events.map(({ number, data }) => sseNumbered(number, data)).join("")
      if (events.at(-1)?.kind === "chunk") connection.write(text)
      else connection.end(text)
    },
    failed: (error) => connection.fail(error),
    dismissed: () => connection.end(": another connection reads on\n\n"),
  }
}
