// From a prepared generation to its answer over HTTP, streamed or whole: what all generating routes share.

import type { Exchange } from "../exchange.ts"
import { type GenerationWork, keptEvents } from "../generation-work.ts"
import type { RunSink } from "../generation-run.ts"
import { ignoredHeader } from "../refused-fields.ts"
import { createReplyCollector } from "../reply-collector.ts"
import { createReplyConnection } from "../reply-connection.ts"
import { createReplyStream } from "../reply-stream.ts"
import type { Services } from "../services.ts"
import { createSseReader } from "../sse-reader.ts"

export function answerGeneration(services: Services, exchange: Exchange, work: GenerationWork): void {
  // The client may have gone while its body was read.
  if (exchange.ended) return
  const { id, kind, requests, choices } = work
  const { keepAliveMs } = services.settings
  const headers = ignoredHeader(work.ignored)
  const traceparent = exchange.request.headers.get("traceparent")
  const onError = (error: unknown) => services.logError(error, exchange.requestId)
  const start = (sink: RunSink) =>
    services.runs.start({ id, kind, client: exchange.client, requests, traceparent }, keptEvents(sink, work.keep))

  if (work.resumable) {
    const format = work.format()
    const connection = createReplyConnection(exchange, format, {
      keepAliveMs,
      headers: { ...headers, "x-stream-id": id },
    })
    const spec = { id, owner: exchange.client, format, start, onError }
    const stream = services.streams.open(spec, createSseReader(connection))
    return exchange.onAbort((reason) => stream.leave(reason))
  }
  let run: ReturnType<typeof start>
  if (work.streamed) {
    const format = work.format()
    const connection = createReplyConnection(exchange, format, { keepAliveMs, headers })
    run = start(createReplyStream(connection, format, onError))
  } else {
    const answer = createReplyCollector(
      choices,
      (collected, usage) => exchange.sendJson(200, work.whole(collected, usage), headers),
      (error) => exchange.fail(error),
    )
    run = start(answer)
  }
  exchange.onAbort((reason) => run.abandon(reason))
}
