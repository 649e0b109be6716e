// The wire shapes of /v1/chat/completions: stream chunks and the whole answer. Knows no socket.

import type { Usage } from "../engine/index.ts"
import type { ReplyEvent } from "./generation-run.ts"
import { createOpenAiStream } from "./openai-stream.ts"
import type { CollectedChoice } from "./reply-collector.ts"
import type { ReplyIdentity } from "./reply-identity.ts"
import type { StreamFormat } from "./reply-stream.ts"
import type { ChatCompletion, ChatCompletionChunk, ChatLogprobs } from "./schemas/chat-completion.ts"
import { createTokenText, type TokenText } from "./token-text.ts"
import { usageOf } from "./usage.ts"

type ChunkChoice = ChatCompletionChunk["choices"][number]
type Delta = ChunkChoice["delta"]

export function createChatStreamFormat(identity: ReplyIdentity, includeUsage: boolean): StreamFormat {
  const stream = createOpenAiStream<ChunkChoice>("chat.completion.chunk", identity, includeUsage)
  const spoken = new Set<number>()
  const tokenTexts = new Map<number, TokenText>()

  const chunk = (
    index: number,
    delta: Delta,
    finish: ChunkChoice["finish_reason"] = null,
    logprobs: ChatLogprobs | null = null,
  ) => stream.chunk({ index, delta, logprobs, finish_reason: finish })
  /** The role comes once, together with the first words. */
  const speak = (index: number, delta: Delta): Delta => {
    if (spoken.has(index)) return delta
    spoken.add(index)
    return { role: "assistant", ...delta }
  }
  const write = (event: ReplyEvent): string => {
    const { choice } = event
    switch (event.type) {
      case "text": {
        const tokens = event.logprobs === undefined ? null : textOf(tokenTexts, choice).chat(event.logprobs)
        if (event.text === "" && tokens === null) return ""
        return chunk(choice, speak(choice, { content: event.text }), null, tokens)
      }
      case "reasoning":
        return event.text === "" ? "" : chunk(choice, speak(choice, { reasoning_content: event.text }))
      case "tool_call": {
        const { index, id: callId, name, argumentsDelta } = event
        const call =
          callId === undefined
            ? { index, function: { arguments: argumentsDelta } }
            : {
                index,
                id: callId,
                type: "function" as const,
                function: { name: name ?? "", arguments: argumentsDelta },
              }
        const delta: Delta = { tool_calls: [call] }
        return chunk(choice, spoken.has(choice) ? delta : speak(choice, { content: null, ...delta }))
      }
      case "finished":
        break
    }
    const first = spoken.has(choice) ? "" : chunk(choice, speak(choice, { content: "" }))
    return first + chunk(choice, {}, event.reason)
  }

  return stream.format(write)
}

export function chatCompletion(
  identity: ReplyIdentity,
  choices: readonly CollectedChoice[],
  usage: Usage,
  wantLogprobs: boolean,
): ChatCompletion {
  return {
    id: identity.id,
    object: "chat.completion",
    created: identity.created,
    model: identity.model,
    choices: choices.map((choice, index) => ({
      index,
      message: {
        role: "assistant",
        content: choice.text === "" && choice.toolCalls.length > 0 ? null : choice.text,
        refusal: null,
        ...(choice.reasoning === "" ? {} : { reasoning_content: choice.reasoning }),
        ...(choice.toolCalls.length === 0
          ? {}
          : {
              tool_calls: choice.toolCalls.map((call) => ({
                id: call.id,
                type: "function" as const,
                function: { name: call.name, arguments: call.arguments },
              })),
            }),
      },
      logprobs: wantLogprobs ? createTokenText().chat(choice.logprobs) : null,
      finish_reason: choice.finish,
    })),
    usage: usageOf(usage),
  }
}

function textOf(texts: Map<number, TokenText>, choice: number): TokenText {
  const found = texts.get(choice) ?? createTokenText()
  texts.set(choice, found)
  return found
}
