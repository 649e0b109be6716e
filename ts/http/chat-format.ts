// The wire shapes of /v1/chat/completions: stream chunks and the whole answer. Knows no socket.

import type { FinishReason, ToolCall, Usage } from "../engine/index.ts"
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

type CallEvent = Extract<ReplyEvent, { type: "tool_call" }>

/** `legacy`: calls go by the deprecated name function_call. */
export function createChatStreamFormat(identity: ReplyIdentity, includeUsage: boolean, legacy = false): StreamFormat {
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
        const delta = legacy ? functionDelta(event) : toolDelta(event)
        return chunk(choice, spoken.has(choice) ? delta : speak(choice, { content: null, ...delta }))
      }
      case "finished":
        break
    }
    const first = spoken.has(choice) ? "" : chunk(choice, speak(choice, { content: "" }))
    return first + chunk(choice, {}, finishOf(event.reason, legacy))
  }

  return stream.format(write)
}

function toolDelta({ index, id, name, argumentsDelta }: CallEvent): Delta {
  if (id === undefined) return { tool_calls: [{ index, function: { arguments: argumentsDelta } }] }
  return { tool_calls: [{ index, id, type: "function", function: { name: name ?? "", arguments: argumentsDelta } }] }
}

function functionDelta({ name, argumentsDelta }: CallEvent): Delta {
  return { function_call: { ...(name === undefined ? {} : { name }), arguments: argumentsDelta } }
}

function finishOf(reason: FinishReason, legacy: boolean): FinishReason | "function_call" {
  return legacy && reason === "tool_calls" ? "function_call" : reason
}

function callsOf(calls: readonly ToolCall[], legacy: boolean): Partial<ChatCompletion["choices"][number]["message"]> {
  const [first] = calls
  if (first === undefined) return {}
  if (legacy) return { function_call: { name: first.name, arguments: first.arguments } }
  return {
    tool_calls: calls.map((call) => ({
      id: call.id,
      type: "function",
      function: { name: call.name, arguments: call.arguments },
    })),
  }
}

export function chatCompletion(
  identity: ReplyIdentity,
  choices: readonly CollectedChoice[],
  usage: Usage,
  wantLogprobs: boolean,
  legacy = false,
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
        ...callsOf(choice.toolCalls, legacy),
      },
      logprobs: wantLogprobs ? createTokenText().chat(choice.logprobs) : null,
      finish_reason: finishOf(choice.finish, legacy),
    })),
    usage: usageOf(usage),
  }
}

function textOf(texts: Map<number, TokenText>, choice: number): TokenText {
  const found = texts.get(choice) ?? createTokenText()
  texts.set(choice, found)
  return found
}
