// Splits an answer of gpt-oss into what it thinks, says and calls. Such an answer is a row of messages, each with a header
// that names its channel and perhaps a recipient: <|channel|>analysis<|message|>...<|end|><|start|>assistant<|channel|>final
// <|message|>... Streams. Knows no tokens; positions count UTF-16 units of the answer's whole text.
//
// Calls are passed on as content with their header, for the tool-call stage to read.

import type { Passage, PassageOptions, ReasoningSplitter } from "./passage.ts"
import { createStopMatcher } from "./stop-matcher.ts"

const MESSAGE = "<|message|>"
const ENDS = ["<|end|>", "<|return|>", "<|call|>", "<|start|>"]
/** A header may begin with these. */
const HEADER_STARTS = ["<|start|>", "<|channel|>", "assistant", "to="]
/** Units; what is longer is no header. */
const LONGEST_HEADER = 512
const CHANNEL = /<\|channel\|>\s*(\w+)/
const RECIPIENT = /(?:^|\s|assistant)to=([^\s<]+)/

type Kind = "reasoning" | "content" | "call"

export function createHarmonySplitter(options: PassageOptions): ReasoningSplitter {
  const readsCalls = options.interruptions.length > 0
  const ends = createStopMatcher(ENDS)
  let kind: Kind | null = options.startsInReasoning ? "reasoning" : null
  /** Of the message that begins, not yet understood. */
  let header = ""
  /** Of the first unit that is neither passed on nor dropped. */
  let position = 0
  let out: Passage[] = []

  function pass(channel: Passage["channel"], text: string): void {
    if (text !== "") out.push({ channel, text, at: position })
    position += text.length
  }

  function kindOf(text: string): Kind {
    const recipient = RECIPIENT.exec(text)?.[1]
    if (recipient?.startsWith("functions.")) return readsCalls ? "call" : "content"
    return recipient !== undefined || CHANNEL.exec(text)?.[1] === "analysis" ? "reasoning" : "content"
  }

  /** Text of the body, or null when more is needed. */
  function readHeader(text: string): string | null {
    header += text
    const end = header.indexOf(MESSAGE)
    if (end < 0 && couldBeHeader(header)) return null
    const whole = end < 0 ? "" : header.slice(0, end + MESSAGE.length)
    const body = header.slice(whole.length)
    header = ""
    kind = kindOf(whole)
    const shown = kind === "call" ? Math.max(0, whole.search(/<\|channel\|>| to=/)) : whole.length
    position += shown
    pass("content", whole.slice(shown))
    return body
  }

  function readBody(text: string, of: Kind): string {
    const match = ends.push(text)
    const channel = of === "reasoning" ? "reasoning" : "content"
    pass(channel, match.safe)
    if (match.found === null) return ""
    // The end of a call is the tool-call stage's.
    if (of === "call") pass("content", match.found)
    else position += match.found.length
    kind = null
    return match.rest
  }

  function take(): readonly Passage[] {
    const passages = out
    out = []
    return passages
  }

  return {
    get thinking() {
      return kind === "reasoning"
    },
    push(text) {
      let rest: string | null = text
      while (rest !== null && rest !== "") rest = kind === null ? readHeader(rest) : readBody(rest, kind)
      return take()
    },
    flush() {
      if (kind !== null) pass(kind === "reasoning" ? "reasoning" : "content", ends.flush())
      else if (!header.includes("<|")) pass("content", header)
      header = ""
      return take()
    },
  }
}

function couldBeHeader(text: string): boolean {
  const start = text.trimStart()
  if (text.length > LONGEST_HEADER) return false
  return HEADER_STARTS.some((known) => known.startsWith(start) || start.startsWith(known))
}
