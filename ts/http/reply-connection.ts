// The connection of a streamed answer: text out, with a sign of life in every silence. The status line is held back until
// there is something to say, so that an early failure is still an HTTP error; after some silence it goes out with a
// comment. Knows no event.

import type { Exchange } from "./exchange.ts"
import type { Headers, StreamWriter } from "./server-port.ts"

export interface ReplyConnection {
  /** Something was sent: a failure cannot be an HTTP error any more. */
  readonly begun: boolean
  write(text: string): void
  end(text: string): void
  /** The HTTP error, where nothing was sent. */
  fail(error: unknown): void
}

export interface Framing {
  readonly contentType: string
  /** A legal no-op of the format, written to keep a silent connection; null: the format has none. */
  readonly keepAlive: string | null
  /** Written when the socket asks for bytes and no text waits. */
  readonly filler: string
}

export function createReplyConnection(
  exchange: Exchange,
  framing: Framing,
  settings: { readonly keepAliveMs: number; readonly headers: Headers },
): ReplyConnection {
  let writer: StreamWriter | undefined

  const begin = (): StreamWriter => {
    writer ??= exchange.stream(framing.contentType, framing.filler, settings.headers)
    connection.begun = true
    return writer
  }
  const beat = setTimeout(() => {
    if (exchange.ended || framing.keepAlive === null) return
    const stream = begin()
    // Text that waits for the socket is no silence of ours.
    if (stream.pendingBytes === 0) stream.write(framing.keepAlive)
    beat.refresh()
  }, settings.keepAliveMs)
  beat.unref()

  const connection = {
    begun: false,
    write(text: string): void {
      begin().write(text)
      beat.refresh()
    },
    end(text: string): void {
      clearTimeout(beat)
      begin().end(text)
    },
    fail(error: unknown): void {
      clearTimeout(beat)
      exchange.fail(error)
    },
  }
  return connection
}
