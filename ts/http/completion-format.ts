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

/** Prompts that the answers begin with, `perPrompt` answers each. */
export interface Echoes {
  readonly texts: readonly string[]
  readonly perPrompt: number
}

const echoOf = (echoes: Echoes | null, index: number): string =>
  echoes === null ? "" : (echoes.texts[Math.floor(index / echoes.perPrompt)] ?? "")

export function createCompletionStreamFormat(
  identity: ReplyIdentity,
  includeUsage: boolean,
  echoes: Echoes | null = null,
): StreamFormat {
  const stream = createOpenAiStream<Choice>("text_completion", identity, includeUsage)
  const tokenTexts = new Map<number, TokenText>()
  const begun = new Set<number>()

  const write = (event: ReplyEvent): string => {
    const index = event.choice
    const echo = begun.has(index) ? "" : echoOf(echoes, index)
    begun.add(index)
    if (event.type === "finished")
      return stream.chunk({ text: echo, index, logprobs: null, finish_reason: event.reason })
    if (event.type !== "text") return ""
    let logprobs: Choice["logprobs"] = null
    if (event.logprobs !== undefined) {
      const texts = tokenTexts.get(index) ?? createTokenText()
      tokenTexts.set(index, texts)
      logprobs = texts.legacy(event.logprobs)
    }
    const text = echo + event.text
    return text === "" && logprobs === null ? "" : stream.chunk({ text, index, logprobs, finish_reason: null })
  }

  return stream.format(write)
}

export function completion(
  identity: ReplyIdentity,
  choices: readonly CollectedChoice[],
  usage: Usage,
  wantLogprobs: boolean,
  echoes: Echoes | null = null,
): Completion {
  return {
    id: identity.id,
    object: "text_completion",
    created: identity.created,
    model: identity.model,
    choices: choices.map((choice, index) => ({
      text: echoOf(echoes, index) + choice.text,
      index,
      logprobs: wantLogprobs ? createTokenText().legacy(choice.logprobs) : null,
      finish_reason: choice.finish,
    })),
    usage: usageOf(usage),
  }
}
