// What the body of a generating route asks for, before anything is begun. Knows no connection: HTTP and WebSocket begin it.

import type { GenerationRequest, Usage } from "../engine/index.ts"
import type { ReplyEvent, RunSink } from "./generation-run.ts"
import type { CollectedChoice } from "./reply-collector.ts"
import type { StreamFormat } from "./reply-stream.ts"

export interface GenerationWork {
  readonly id: string
  readonly kind: string
  readonly requests: readonly GenerationRequest[]
  /** Of all requests together. */
  readonly choices: number
  /** Top-level fields that no table knows. */
  readonly ignored: readonly string[]
  /** False: the client waits for the whole answer. */
  readonly streamed: boolean
  /** Its events are numbered, and a lost connection does not end it. Only where `streamed`. */
  readonly resumable: boolean
  /** A format remembers what it has said: one for each answer. */
  format(): StreamFormat
  whole(choices: readonly CollectedChoice[], usage: Usage): unknown
  /** False for events that the client does not want. */
  readonly keep?: (event: ReplyEvent) => boolean
}

/** Reads the JSON body of a route. Throws HttpError. */
export type PrepareWork = (body: unknown, client: string) => GenerationWork

/** The sink without the events that the client does not want. */
export function keptEvents(sink: RunSink, keep: GenerationWork["keep"]): RunSink {
  if (keep === undefined) return sink
  return {
    ...sink,
    events(events) {
      const kept = events.filter((event) => keep(event))
      if (kept.length > 0) sink.events(kept)
    },
  }
}
