// A streamed answer: turns a run's events into text on the connection. Knows no wire format: a StreamFormat does.

import type { Usage } from "../engine/index.ts"
import { reportError } from "./error-response.ts"
import type { ReplyEvent, RunSink } from "./generation-run.ts"
import type { Framing, ReplyConnection } from "./reply-connection.ts"

export interface StreamFormat extends Framing {
  events(events: readonly ReplyEvent[]): string
  done(usage: Usage): string
  error(body: object): string
}

export function createReplyStream(
  connection: ReplyConnection,
  format: StreamFormat,
  onError: (error: unknown) => void,
): RunSink {
  return {
    events: (events) => connection.write(format.events(events)),
    done: (usage) => connection.end(format.done(usage)),
    failed(error) {
      if (!connection.begun) return connection.fail(error)
      onError(error)
      connection.end(format.error(reportError(error).body))
    },
  }
}
