// Answers that outlive their connection, for requests that asked for it: keeps the numbered events of each, hands them to
// whoever reads it now, and lets it run on for a while when nobody does. Knows no wire format beyond an event's data.
//
//   read        --reader gone-->        waiting: the run goes on, its window runs
//   waiting     --attach-->             read, after the events that were missed
//   waiting     --window over-->        gone: the run is cancelled, the id means nothing any more
//   waiting     --more than the cap-->  lost: the run is cancelled, the id answers stream_lost until the window is over
//   read        --end-->                waiting: whoever lost the end may still ask for it
//
// Bounds: `streamBytes` an answer, LIMITS.resumeTotalBytes and LIMITS.resumableStreams together. Under a reader the oldest
// events are dropped; without one the answer that has waited longest is given up.

import type { Usage } from "../engine/index.ts"
import { HttpError, reportError } from "./error-response.ts"
import type { ReplyEvent, Run, RunSink } from "./generation-run.ts"
import { LIMITS } from "./limits.ts"
import type { StreamFormat } from "./reply-stream.ts"
import type { AbortReason } from "./server-port.ts"
import { SSE_END, sseData } from "./sse.ts"

interface StreamEvent {
  /** From 1, without gaps. */
  readonly number: number
  /** "done" and "error" are the last. */
  readonly kind: "chunk" | "done" | "error"
  /** As an SSE event carries it. */
  readonly data: string
  /** HTTP status of an error. */
  readonly status?: number
}

export interface StreamReader {
  /** Never empty. */
  events(events: readonly StreamEvent[]): void
  /** It failed before its first event: there is nothing to resume. */
  failed(error: unknown): void
  /** Another reader has taken it over, or it was cancelled. */
  dismissed(): void
}

interface ReadStream {
  /** This reader is gone. Without effect when another has taken over. */
  leave(reason: AbortReason): void
  /** Ends the answer and forgets it, unless another reader has taken over. */
  cancel(): void
}

interface ResumedStream extends ReadStream {
  /** Hands over what was missed. Once, at once. */
  start(): void
}

export interface ResumableStreams {
  readonly size: number
  /** Begins an answer and reads it. Throws what `start` throws. */
  open(spec: StreamSpec, reader: StreamReader): ReadStream
  /**
   * Reads an answer after event number `after`; a reader that it had is dismissed. Null: it has ended, and nothing came
   * after that event. Throws stream_not_found, stream_lost or invalid_value.
   */
  attach(id: string, owner: string, after: number, reader: StreamReader): ResumedStream | null
  /** Throws stream_not_found. */
  check(id: string, owner: string): void
  /** Throws stream_not_found. */
  cancel(id: string, owner: string): void
  /** Forgets all. Idempotent. */
  close(): void
}

interface StreamSpec {
  readonly id: string
  /** Who may resume it. */
  readonly owner: string
  readonly format: StreamFormat
  start(sink: RunSink): Run
  /** Told of an error that became an event. */
  readonly onError: (error: unknown) => void
}

interface ResumeSettings {
  readonly windowMs: number
  readonly streamBytes: number
}

interface Kept {
  readonly id: string
  readonly owner: string
  run: Run | null
  reader: StreamReader | null
  events: StreamEvent[]
  bytes: number
  /** Number of the last event so far. */
  last: number
  ended: boolean
  lost: boolean
  window: NodeJS.Timeout | null
}

/** What an event costs besides its data, about. */
const EVENT_BYTES = 64

const costOf = (event: StreamEvent): number => Buffer.byteLength(event.data) + EVENT_BYTES

export function createResumableStreams(settings: ResumeSettings): ResumableStreams {
  const streams = new Map<string, Kept>()
  /** Without a reader, the one that has waited longest first. */
  const waiting = new Set<Kept>()
  let totalBytes = 0

  function find(id: string, owner: string): Kept {
    const stream = streams.get(id)
    if (stream !== undefined && stream.owner === owner) return stream
    throw new HttpError("stream_not_found")
  }

  function forget(stream: Kept): void {
    if (stream.window !== null) clearTimeout(stream.window)
    drop(stream, stream.events.length)
    waiting.delete(stream)
    streams.delete(stream.id)
  }

  /** The oldest events go. */
  function drop(stream: Kept, count: number): void {
    for (const event of stream.events.splice(0, count)) {
      stream.bytes -= costOf(event)
      totalBytes -= costOf(event)
    }
  }

  /** Down to half of what it holds: dropping one by one would move all others each time. */
  function trim(stream: Kept): void {
    let left = stream.bytes
    const keep = stream.events.findIndex((event) => {
      const isKept = left * 2 <= stream.bytes
      left -= costOf(event)
      return isKept
    })
    drop(stream, keep < 0 ? stream.events.length : keep)
  }

  function stop(stream: Kept): void {
    const { run } = stream
    stream.run = null
    run?.abandon("closed")
  }

  function wait(stream: Kept): void {
    stream.reader = null
    waiting.add(stream)
    stream.window = setTimeout(() => {
      stop(stream)
      forget(stream)
    }, settings.windowMs)
    stream.window.unref()
    if (streams.size > LIMITS.resumableStreams) giveUpOldest()
  }

  /** Its events are gone; until its window is over its id still says so. */
  function lose(stream: Kept): void {
    stop(stream)
    stream.lost = true
    drop(stream, stream.events.length)
  }

  function giveUpOldest(): void {
    for (const stream of waiting) {
      stop(stream)
      return forget(stream)
    }
  }

  function add(stream: Kept, fresh: readonly Omit<StreamEvent, "number">[]): void {
    if (fresh.length === 0) return
    const events = fresh.map((event): StreamEvent => ({ ...event, number: ++stream.last }))
    const bytes = events.reduce((sum, event) => sum + costOf(event), 0)
    stream.events.push(...events)
    stream.bytes += bytes
    totalBytes += bytes
    const { reader } = stream
    if (reader === null && stream.bytes > settings.streamBytes) return lose(stream)
    while (totalBytes > LIMITS.resumeTotalBytes && waiting.size > 0) giveUpOldest()
    if (stream.bytes > settings.streamBytes || totalBytes > LIMITS.resumeTotalBytes) trim(stream)
    reader?.events(events)
  }

  function end(stream: Kept): void {
    stream.ended = true
    stream.run = null
    if (stream.reader !== null) wait(stream)
  }

  function sinkOf(stream: Kept, { format, onError }: StreamSpec): RunSink {
    const chunks = (text: string) =>
      sseData(text).map((data) => ({ kind: data === SSE_END ? ("done" as const) : ("chunk" as const), data }))
    return {
      events: (events: readonly ReplyEvent[]) => add(stream, chunks(format.events(events))),
      done(usage: Usage) {
        add(stream, chunks(format.done(usage)))
        end(stream)
      },
      failed(error) {
        if (stream.last === 0 && stream.reader !== null) {
          const { reader } = stream
          forget(stream)
          return reader.failed(error)
        }
        onError(error)
        const { status, body } = reportError(error)
        add(stream, [{ kind: "error", data: JSON.stringify(body), status }])
        end(stream)
      },
    }
  }

  function reading(stream: Kept, reader: StreamReader): ReadStream {
    return {
      leave(reason) {
        if (stream.reader !== reader) return
        if (reason === "slow") stream.run?.slowReader()
        wait(stream)
      },
      cancel() {
        if (stream.reader !== reader) return
        stop(stream)
        forget(stream)
      },
    }
  }

  return {
    get size() {
      return streams.size
    },
    open(spec, reader) {
      const stream: Kept = {
        id: spec.id,
        owner: spec.owner,
        run: null,
        reader,
        events: [],
        bytes: 0,
        last: 0,
        ended: false,
        lost: false,
        window: null,
      }
      streams.set(spec.id, stream)
      try {
        stream.run = spec.start(sinkOf(stream, spec))
      } catch (error) {
        forget(stream)
        throw error
      }
      return reading(stream, reader)
    },
    attach(id, owner, after, reader) {
      const stream = find(id, owner)
      if (stream.lost)
        throw new HttpError("stream_lost", `More than ${settings.streamBytes} bytes waited. Send the request again.`)
      if (after > stream.last)
        throw new HttpError("invalid_value", `The stream's last event is ${stream.last}.`, { param: "last-event-id" })
      const first = stream.events[0]?.number ?? stream.last + 1
      if (after < first - 1)
        throw new HttpError("stream_lost", `The first event still kept is ${first}. Send the request again.`)
      if (stream.window !== null) clearTimeout(stream.window)
      stream.window = null
      waiting.delete(stream)
      stream.reader?.dismissed()
      const missed = stream.events.slice(after - first + 1)
      if (stream.ended) wait(stream)
      else stream.reader = reader
      if (stream.ended && missed.length === 0) return null
      return {
        ...reading(stream, reader),
        start() {
          if (missed.length > 0) reader.events(missed)
        },
      }
    },
    check: (id, owner) => void find(id, owner),
    cancel(id, owner) {
      const stream = find(id, owner)
      const { reader } = stream
      stop(stream)
      forget(stream)
      reader?.dismissed()
    },
    close() {
      for (const stream of streams.values()) {
        stop(stream)
        forget(stream)
      }
    },
  }
}
