// What the streams of /v1/chat/completions and /v1/completions share: the frame around a choice, the usage chunk and
// the end. Knows neither's choices.

import type { ReplyEvent } from "./generation-run.ts"
import type { ReplyIdentity } from "./reply-identity.ts"
import type { StreamFormat } from "./reply-stream.ts"
import { SSE, sseJson } from "./sse.ts"
import { usageOf } from "./usage.ts"

export interface OpenAiStream<Choice> {
  /** One chunk with one choice. The frame is made once a stream, not once a token. */
  chunk(choice: Choice): string
  /** `write`: the text of one event. */
  format(write: (event: ReplyEvent) => string): StreamFormat
}

export function createOpenAiStream<Choice>(
  object: string,
  { id, created, model }: ReplyIdentity,
  includeUsage: boolean,
): OpenAiStream<Choice> {
  const head = JSON.stringify({ id, object, created, model, choices: [] }).slice(0, -"]}".length)
  const tail = includeUsage ? '],"usage":null}' : "]}"
  return {
    chunk: (choice) => sseJson(head + JSON.stringify(choice) + tail),
    format: (write) => ({
      contentType: SSE.contentType,
      keepAlive: SSE.keepAlive,
      filler: SSE.filler,
      events: (events) => events.map(write).join(""),
      done(usage) {
        const last = includeUsage ? sseJson(`${head}],"usage":${JSON.stringify(usageOf(usage))}}`) : ""
        return last + SSE.done
      },
      error: (body) => sseJson(JSON.stringify(body)),
    }),
  }
}
