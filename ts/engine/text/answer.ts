// One answer: token ids in, events out. Joins the stages ids -> text -> reasoning -> tool calls -> stop strings, and
// coalesces what a batch of tokens made into one event a channel. Knows no link, no slot and no other answer.
//
// Stop strings apply to the content only: not to reasoning, not inside the arguments of a tool call.

import { randomBytes } from "node:crypto"
import type { FinishReason, GenerationEvent, TokenLogprob, ToolDefinition } from "../generation.ts"
import { createDetokenizer, type TokenText } from "./detokenizer.ts"
import type { Passage } from "./passage.ts"
import { createReasoningSplitter, type ReasoningMarkers } from "./reasoning.ts"
import { createStopMatcher } from "./stop-matcher.ts"
import { createTokenLedger } from "./token-ledger.ts"
import { type CallEvent, createToolCallStream, type ToolCallFormat } from "./tool-calls/index.ts"

export interface AnswerOptions {
  readonly choice: number
  readonly tokens: TokenText
  readonly stop: readonly string[]
  /** The answer continues a text and keeps the first token's leading space. */
  readonly keepLeadingSpace: boolean
  /** null: the markers, if any come, are content. */
  readonly reasoning: ReasoningMarkers | null
  readonly startsInReasoning: boolean
  /** null: calls are content. */
  readonly toolFormat: ToolCallFormat | null
  readonly tools: readonly ToolDefinition[]
}

export interface TokenChance {
  readonly logprob: number
  readonly top: readonly { readonly id: number; readonly logprob: number }[]
}

export interface Answer {
  /** `chance`: null unless log-probabilities were asked for. Ignored after a stop string. */
  push(id: number, chance: TokenChance | null): void
  /** The token half has ended the answer: what is held back comes out, then the "finished" event. */
  finish(reason: "stop" | "length"): void
  /** Events since the last call, in order. After a stop string the last one is "finished". */
  take(): readonly GenerationEvent[]
  readonly finished: boolean
  /** The model is thinking. */
  readonly thinking: boolean
  readonly reasoningTokens: number
}

export function createAnswer(options: AnswerOptions): Answer {
  const { choice, tokens } = options
  const detokenizer = createDetokenizer(tokens, options.keepLeadingSpace)
  const calls = options.toolFormat && createToolCallStream(options.toolFormat, options.tools)
  const splitter = createReasoningSplitter({
    markers: options.reasoning,
    startsInReasoning: options.startsInReasoning,
    interruptions: options.toolFormat?.starts ?? [],
  })
  const stops = createStopMatcher(options.stop)
  const ledger = createTokenLedger()
  let events: GenerationEvent[] = []
  /** Content that the stop matcher holds back ends here. */
  let contentEnd = 0

  function showText(text: string, at: number): void {
    if (text === "") return
    const taken = ledger.take(at, at + text.length)
    const last = events.at(-1)
    const joined = last?.type === "text" ? last : null
    if (joined === null && taken.logprobs.length === 0) {
      events.push({ type: "text", choice, text, tokens: taken.tokens })
      return
    }
    if (joined !== null) events.pop()
    const logprobs = [...(joined?.logprobs ?? []), ...taken.logprobs]
    events.push({
      type: "text",
      choice,
      text: (joined?.text ?? "") + text,
      tokens: (joined?.tokens ?? 0) + taken.tokens,
      ...(logprobs.length > 0 && { logprobs }),
    })
  }

  function showReasoning(text: string, at: number): void {
    const taken = ledger.take(at, at + text.length).tokens
    answer.reasoningTokens += taken
    const last = events.at(-1)
    const joined = last?.type === "reasoning" ? last : null
    if (joined !== null) events.pop()
    events.push({
      type: "reasoning",
      choice,
      text: (joined?.text ?? "") + text,
      tokens: (joined?.tokens ?? 0) + taken,
    })
  }

  function content(text: string, at: number): void {
    if (answer.finished) return
    const match = stops.push(text)
    const end = at + text.length
    const unshown = match.rest.length + (match.found?.length ?? 0)
    const safeEnd = match.found === null ? contentSafeEnd(match.safe, text, end) : end - unshown
    showText(match.safe, safeEnd - match.safe.length)
    contentEnd = end
    if (match.found !== null) conclude("stop", match.found)
  }

  /** Units the stop matcher holds back. */
  let held = 0
  function contentSafeEnd(safe: string, fresh: string, end: number): number {
    held += fresh.length - safe.length
    return end - held
  }

  function flushContent(): void {
    const text = stops.flush()
    held = 0
    showText(text, contentEnd - text.length)
  }

  function callEvent(event: CallEvent): void {
    if (answer.finished) return
    if (event.type === "content") {
      content(event.text, event.at)
      return
    }
    flushContent()
    const last = events.at(-1)
    if (event.type === "start") {
      const id = event.id ?? `call_${randomBytes(12).toString("hex")}`
      events.push({ type: "tool_call", choice, index: event.index, id, name: event.name, argumentsDelta: "" })
    } else if (last?.type === "tool_call" && last.index === event.index && last.name === undefined) {
      events[events.length - 1] = { ...last, argumentsDelta: last.argumentsDelta + event.text }
    } else {
      events.push({ type: "tool_call", choice, index: event.index, argumentsDelta: event.text })
    }
  }

  function passages(list: readonly Passage[]): void {
    for (const passage of list) {
      if (answer.finished) return
      if (passage.channel === "reasoning") showReasoning(passage.text, passage.at)
      else if (calls === null) content(passage.text, passage.at)
      else for (const event of calls.push(passage.text, passage.at)) callEvent(event)
    }
  }

  function conclude(reason: FinishReason, stop?: string): void {
    answer.finished = true
    answer.thinking = false
    events.push({ type: "finished", choice, reason, ...(stop !== undefined && { stop }) })
  }

  function tokenLogprob(id: number, chance: TokenChance): TokenLogprob {
    const top = chance.top.map((other) => ({ ...other, bytes: tokens.bytes(other.id) }))
    return { id, bytes: tokens.bytes(id).subarray(detokenizer.droppedBytes), logprob: chance.logprob, top }
  }

  // Fields, not getters, as in the detokenizer: they are read for every token.
  const answer = {
    finished: false,
    thinking: splitter.thinking,
    reasoningTokens: 0,
    push(id: number, chance: TokenChance | null): void {
      if (answer.finished) return
      const text = detokenizer.push(id)
      ledger.add(text, detokenizer.heldBytes, chance && tokenLogprob(id, chance))
      passages(splitter.push(text))
      answer.thinking = !answer.finished && splitter.thinking
    },
    finish(reason: "stop" | "length"): void {
      if (answer.finished) return
      passages(splitter.flush())
      if (calls !== null && !answer.finished) for (const event of calls.flush()) callEvent(event)
      if (answer.finished) return
      flushContent()
      conclude(reason === "stop" && (calls?.completed ?? 0) > 0 ? "tool_calls" : reason)
    },
    take(): readonly GenerationEvent[] {
      const taken = events
      events = []
      return taken
    },
  }
  return answer
}
