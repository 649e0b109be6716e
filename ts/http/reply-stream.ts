// A streamed answer: turns a run's events into text on the socket. The status line is held back until there is
// something to say, so that an early failure is still an HTTP error; after some silence it goes out with a comment.
// Knows no wire format: a StreamFormat does.

import { reportError } from "./error-response.ts"
import type { Usage } from "../engine/index.ts"
import type { Exchange } from "./exchange.ts"
import type { ReplyEvent, RunSink } from "./generation-run.ts"
import type { Headers, StreamWriter } from "./server-port.ts"

export interface StreamFormat {
  readonly contentType: string
  /** A legal no-op of the format, written to keep a silent connection; null: the format has none. */
  readonly keepAlive: string | null
  /** Written when the socket asks for bytes and no text waits. */
  readonly filler: string
  events(events: readonly ReplyEvent[]): string
  done(usage: Usage): string
  error(body: object): string
}

export function createReplyStream(
  exchange: Exchange,
  format: StreamFormat,
  settings: { readonly keepAliveMs: number; readonly headers: Headers; readonly onError: (error: unknown) => void },
): RunSink {
  let writer: StreamWriter | undefined

  const begin = (): StreamWriter => {
    writer ??= exchange.stream(format.contentType, format.filler, settings.headers)
    return writer
  }
  const beat = setTimeout(() => {
    if (exchange.ended || format.keepAlive === null) return
    const stream = begin()
    // Text that waits for the socket is no silence of ours.
    if (stream.pendingBytes === 0) stream.write(format.keepAlive)
    beat.refresh()
  }, settings.keepAliveMs)
  beat.unref()

  return {
    events(events) {
      begin().write(format.events(events))
      beat.refresh()
    },
    done(usage) {
      clearTimeout(beat)
      begin().end(format.done(usage))
    },
    failed(error) {
      clearTimeout(beat)
      if (writer === undefined) return exchange.fail(error)
      settings.onError(error)
      writer.end(format.error(reportError(error).body))
    },
  }
}
