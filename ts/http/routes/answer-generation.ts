// From a prepared generation to its answer over HTTP, streamed or whole: what all generating routes share.

import type { Exchange } from "../exchange.ts"
import { type GenerationWork, keptEvents } from "../generation-work.ts"
import { ignoredHeader } from "../refused-fields.ts"
import { createReplyCollector } from "../reply-collector.ts"
import { createReplyStream } from "../reply-stream.ts"
import type { Services } from "../services.ts"

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
