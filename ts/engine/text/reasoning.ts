// Splits an answer into what the model thinks and what it says, by the markers of its template. Streams, holding back
// what may become a marker. Knows no tokens; positions count UTF-16 units of the answer's whole text.

import { createHarmonySplitter } from "./harmony-splitter.ts"
import type { Passage, PassageOptions, ReasoningSplitter } from "./passage.ts"
import { createStopMatcher } from "./stop-matcher.ts"

export interface ReasoningMarkers {
  readonly open: string
  readonly close: string
  /** The answer is a row of messages on channels (gpt-oss); the markers are those of the thinking channel. */
  readonly channels?: true
}

/** Families by their markers; the first that occurs in the chat template is meant. */
const REASONING_MARKERS: readonly ReasoningMarkers[] = [
  { open: "<longcat_think>", close: "</longcat_think>" },
  { open: "<seed:think>", close: "</seed:think>" },
  { open: "[THINK]", close: "[/THINK]" },
  { open: "<|channel>thought", close: "<channel|>" },
  { open: "<|channel|>analysis<|message|>", close: "<|end|>", channels: true },
  { open: "<|START_THINKING|>", close: "<|END_THINKING|>" },
  { open: "◁think▷", close: "◁/think▷" },
  { open: "<|inner_prefix|>", close: "<|inner_suffix|>" },
  { open: "Here is my thought process:", close: "Here is my response:" },
  { open: "<thought>", close: "</thought>" },
  { open: "<think>", close: "</think>" },
]

export function reasoningMarkers(template: string): ReasoningMarkers | null {
  return (
    REASONING_MARKERS.find(({ open, close, channels }) =>
      channels ? template.includes("<|channel|>") : template.includes(open) || template.includes(close),
    ) ?? null
  )
}

/** What the model would write to end its thought and begin to answer. */
export function endOfThought(markers: ReasoningMarkers): string {
  return markers.channels ? `${markers.close}<|start|>assistant<|channel|>final<|message|>` : `\n${markers.close}\n\n`
}

/** Whether the model goes on thinking where this prompt ends. `tail`: the prompt, or the message to be continued. */
export function endsInReasoning(markers: ReasoningMarkers, tail: string, continued: boolean): boolean {
  return continued
    ? tail.lastIndexOf(markers.open) > tail.lastIndexOf(markers.close)
    : tail.trimEnd().endsWith(markers.open)
}

export interface SplitterOptions extends PassageOptions {
  /** null: all is content. */
  readonly markers: ReasoningMarkers | null
}

/**
 * The opening marker counts at the beginning of the answer only. Space around the reasoning, and between it and the
 * content, is dropped; an answer without reasoning is passed on untouched.
 */
export function createReasoningSplitter(options: SplitterOptions): ReasoningSplitter {
  const { markers } = options
  if (markers?.channels) return createHarmonySplitter(options)
  const matcher = markers && createStopMatcher([markers.close, ...options.interruptions])
  /** beginning: only space so far; after: reasoning is over and only space came since. */
  let state: "beginning" | "reasoning" | "after" | "content" =
    markers === null ? "content" : options.startsInReasoning ? "reasoning" : "beginning"
  /** Text pushed and not yet passed on or dropped; its first unit is at `position`. */
  let held = ""
  let position = 0
  let begun = false
  let out: Passage[] = []

  function pass(channel: Passage["channel"], length: number): void {
    if (length > 0) out.push({ channel, text: held.slice(0, length), at: position })
    drop(length)
  }

  function drop(length: number): void {
    held = held.slice(length)
    position += length
  }

  /** Passes reasoning on, without the space that begins it or might end it. */
  function passReasoning(length: number): void {
    const text = held.slice(0, length)
    const lead = begun ? 0 : text.length - text.trimStart().length
    drop(lead)
    const kept = text.slice(lead).trimEnd().length
    begun ||= kept > 0
    pass("reasoning", kept)
  }

  function beginning(known: ReasoningMarkers): boolean {
    const text = held.trimStart()
    if (text.startsWith(known.open)) {
      drop(held.length - text.length + known.open.length)
      state = "reasoning"
      return true
    }
    if (known.open.startsWith(text)) return false
    state = "content"
    return true
  }

  /** `fresh`: the end of held that the matcher has not seen. */
  function reasoning(fresh: string): string | null {
    const match = matcher?.push(fresh)
    if (match === undefined) return null
    const unseen = match.rest.length + (match.found?.length ?? 0)
    if (match.found === null) {
      passReasoning(held.length - pendingLength(match.safe, fresh))
      return null
    }
    passReasoning(held.length - unseen)
    drop(held.length - unseen)
    if (match.found === markers?.close) drop(match.found.length)
    state = "after"
    return held
  }

  /** Units the matcher holds back, kept in step with its answers. */
  let pending = 0
  function pendingLength(safe: string, fresh: string): number {
    pending += fresh.length - safe.length
    return pending
  }

  function advance(text: string): void {
    let fresh: string | null = text
    while (fresh !== null) {
      if (state === "beginning") {
        if (markers === null || !beginning(markers)) return
        fresh = held
      } else if (state === "reasoning") {
        fresh = reasoning(fresh)
      } else if (state === "after") {
        drop(held.length - held.trimStart().length)
        if (held === "") return
        state = "content"
      } else {
        pass("content", held.length)
        return
      }
    }
  }

  function take(): readonly Passage[] {
    const passages = out
    out = []
    return passages
  }

  return {
    get thinking() {
      return state === "reasoning"
    },
    push(text) {
      if (text === "") return []
      held += text
      advance(text)
      return take()
    },
    flush() {
      if (state === "reasoning") passReasoning(held.length)
      else if (state === "beginning") pass("content", held.length)
      drop(held.length)
      return take()
    },
  }
}
