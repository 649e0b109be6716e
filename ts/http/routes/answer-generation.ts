// From a prepared generation to its answer over HTTP, streamed or whole: what all generating routes share.

import type { GenerationRequest, Usage } from "../../engine/index.ts"
import type { Exchange } from "../exchange.ts"
import type { ReplyEvent, RunSink } from "../generation-run.ts"
import { ignoredHeader } from "../refused-fields.ts"
import { type CollectedChoice, createReplyCollector } from "../reply-collector.ts"
import { createReplyStream, type StreamFormat } from "../reply-stream.ts"
import type { Services } from "../services.ts"

/** What a request body asks for, before anything is begun. Knows no connection. */
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
  /** A format remembers what it has said: one for each answer. */
  format(): StreamFormat
  whole(choices: readonly CollectedChoice[], usage: Usage): unknown
  /** False for events that the client does not want. */
  readonly keep?: (event: ReplyEvent) => boolean
}

/** Reads the JSON body of a route. Throws HttpError. */
export type PrepareWork = (body: unknown, client: string) => GenerationWork

export function answerGeneration(services: Services, exchange: Exchange, work: GenerationWork): void {
  // The client may have gone while its body was read.
  if (exchange.ended) return
  const headers = ignoredHeader(work.ignored)
  const sink = work.streamed
    ? createReplyStream(exchange, work.format(), {
        keepAliveMs: services.settings.keepAliveMs,
        headers,
        onError: (error) => services.logError(error, exchange.requestId),
      })
    : createReplyCollector(
        work.choices,
        (choices, usage) => exchange.sendJson(200, work.whole(choices, usage), headers),
        (error) => exchange.fail(error),
      )
  const { id, kind, requests } = work
  const run = services.runs.start({ id, kind, client: exchange.client, requests }, keptEvents(sink, work.keep))
  exchange.onAbort((reason) => run.abandon(reason))
}

/** The sink without the events that the client does not want. */
function keptEvents(sink: RunSink, keep: GenerationWork["keep"]): RunSink {
  if (keep === undefined) return sink
  return {
    ...sink,
    events(events) {
      const kept = events.filter((event) => keep(event))
      if (kept.length > 0) sink.events(kept)
    },
  }
}
