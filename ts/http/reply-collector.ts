// A whole answer: gathers a run's events by choice, for routes that reply at once. Knows no wire format.

import type { FinishReason, TokenLogprob, ToolCall, Usage } from "../engine/index.ts"
import type { ReplyEvent, RunSink } from "./generation-run.ts"

export interface CollectedChoice {
  text: string
  reasoning: string
  finish: FinishReason
  readonly toolCalls: ToolCall[]
  readonly logprobs: TokenLogprob[]
}

export function createReplyCollector(
  choices: number,
  done: (choices: readonly CollectedChoice[], usage: Usage) => void,
  failed: (error: unknown) => void,
): RunSink {
  const collected = Array.from(
    { length: choices },
    (): CollectedChoice => ({ text: "", reasoning: "", finish: "stop", toolCalls: [], logprobs: [] }),
  )
  return {
    events(events) {
      for (const event of events) {
        const choice = collected[event.choice]
        if (choice !== undefined) add(choice, event)
      }
    },
    done: (usage) => done(collected, usage),
    failed,
  }
}

function add(choice: CollectedChoice, event: ReplyEvent): void {
  switch (event.type) {
    case "text":
      choice.text += event.text
      if (event.logprobs !== undefined) choice.logprobs.push(...event.logprobs)
      break
    case "reasoning":
      choice.reasoning += event.text
      break
    case "tool_call": {
      const before = choice.toolCalls[event.index]
      choice.toolCalls[event.index] = {
        id: event.id ?? before?.id ?? "",
        name: event.name ?? before?.name ?? "",
        arguments: (before?.arguments ?? "") + event.argumentsDelta,
      }
      break
    }
    case "finished":
      choice.finish = event.reason
      break
  }
}
