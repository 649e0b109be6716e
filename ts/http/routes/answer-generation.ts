// From a prepared generation to its answer, streamed or whole: what all generating routes share.

import type { GenerationRequest, Usage } from "../../engine/index.ts"
import type { Exchange } from "../exchange.ts"
import type { ReplyEvent, RunSink } from "../generation-run.ts"
import { type CollectedChoice, createReplyCollector } from "../reply-collector.ts"
import { createReplyStream, type StreamFormat } from "../reply-stream.ts"
import type { Headers } from "../server-port.ts"
import type { Services } from "../services.ts"

export interface GenerationWork {
  readonly id: string
  readonly kind: string
  readonly requests: readonly GenerationRequest[]
  /** Of all requests together. */
  readonly choices: number
  readonly headers: Headers
  /** Null: answer at once when all is there. */
  readonly stream: StreamFormat | null
  whole(choices: readonly CollectedChoice[], usage: Usage): unknown
  /** False for events that the client does not want. */
  readonly keep?: (event: ReplyEvent) => boolean
}

export function answerGeneration(services: Services, exchange: Exchange, work: GenerationWork): void {
  // The client may have gone while its body was read.
  if (exchange.ended) return
  const sink =
    work.stream === null
      ? createReplyCollector(
          work.choices,
          (choices, usage) => exchange.sendJson(200, work.whole(choices, usage), work.headers),
          (error) => exchange.fail(error),
        )
      : createReplyStream(exchange, work.stream, {
          keepAliveMs: services.settings.keepAliveMs,
          headers: work.headers,
          onError: (error) => services.logError(error, exchange.requestId),
        })
  const { id, kind, requests } = work
  const run = services.runs.start({ id, kind, client: exchange.client, requests }, filtered(sink, work.keep))
  exchange.onAbort((reason) => run.abandon(reason))
}

function filtered(sink: RunSink, keep: GenerationWork["keep"]): RunSink {
  if (keep === undefined) return sink
  return {
    ...sink,
    events(events) {
      const kept = events.filter((event) => keep(event))
      if (kept.length > 0) sink.events(kept)
    },
  }
}
