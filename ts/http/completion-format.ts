// The wire shapes of /v1/completions: stream chunks and the whole answer. Knows no socket.

import type { Usage } from "../engine/index.ts"
import type { ReplyEvent } from "./generation-run.ts"
import { createOpenAiStream } from "./openai-stream.ts"
import type { CollectedChoice } from "./reply-collector.ts"
import type { ReplyIdentity } from "./reply-identity.ts"
import type { StreamFormat } from "./reply-stream.ts"
import type { Completion } from "./schemas/completion.ts"
import { createTokenText, type TokenText } from "./token-text.ts"
import { usageOf } from "./usage.ts"

type Choice = Completion["choices"][number]

export function createCompletionStreamFormat(identity: ReplyIdentity, includeUsage: boolean): StreamFormat {
  const stream = createOpenAiStream<Choice>("text_completion", identity, includeUsage)
  const tokenTexts = new Map<number, TokenText>()

  const write = (event: ReplyEvent): string => {
    const index = event.choice
    if (event.type === "finished") return stream.chunk({ text: "", index, logprobs: null, finish_reason: event.reason })
    if (event.type !== "text") return ""
    let logprobs: Choice["logprobs"] = null
    if (event.logprobs !== undefined) {
      const texts = tokenTexts.get(index) ?? createTokenText()
      tokenTexts.set(index, texts)
      logprobs = texts.legacy(event.logprobs)
    }
    return event.text === "" && logprobs === null
      ? ""
      : stream.chunk({ text: event.text, index, logprobs, finish_reason: null })
  }

  return stream.format(write)
}

export function completion(
  identity: ReplyIdentity,
  choices: readonly CollectedChoice[],
  usage: Usage,
  wantLogprobs: boolean,
): Completion {
  return {
    id: identity.id,
    object: "text_completion",
    created: identity.created,
    model: identity.model,
    choices: choices.map((choice, index) => ({
      text: choice.text,
      index,
      logprobs: wantLogprobs ? createTokenText().legacy(choice.logprobs) : null,
      finish_reason: choice.finish,
    })),
    usage: usageOf(usage),
  }
}
