// Finds tool calls in the content of an answer while it streams. What turns out to be no call goes back into the content.
// Knows no format of its own and no tokens; positions are those of the passages it is given.

import type { ToolDefinition } from "../../generation.ts"
import { createStopMatcher, type StopMatcher } from "../stop-matcher.ts"
import type { CallPart, CallReader, ToolCallFormat } from "./format.ts"

export type CallEvent =
  | { readonly type: "content"; readonly text: string; readonly at: number }
  | { readonly type: "start"; readonly index: number; readonly name: string; readonly id?: string }
  | { readonly type: "arguments"; readonly index: number; readonly text: string }

export interface ToolCallStream {
  /** `at`: position of the text; passages ascend. */
  push(text: string, at: number): readonly CallEvent[]
  flush(): readonly CallEvent[]
  /** Calls that came whole. */
  readonly completed: number
}

/** Space before and after calls is markup and dropped; all other content passes unchanged. */
export function createToolCallStream(format: ToolCallFormat, tools: readonly ToolDefinition[]): ToolCallStream {
  const starts = createStopMatcher(format.starts)
  let block: { readonly reader: CallReader; readonly ends: StopMatcher } | null = null
  /** Position after the text pushed so far. */
  let end = 0
  let index = -1
  let completed = 0
  /** A call of this block was announced: its text cannot go back. */
  let announced = false
  /** The block so far, with its marker, until a call is announced. */
  let raw = ""
  let spaces = ""
  let seenContent = false
  let out: CallEvent[] = []

  /** `until`: position after the text. Space is held until other text follows it. */
  function content(text: string, until: number): void {
    const all = spaces + text
    const kept = all.trimEnd()
    spaces = all.slice(kept.length)
    if (kept === "") return
    const lead = index >= 0 && !seenContent ? kept.length - kept.trimStart().length : 0
    seenContent = true
    out.push({ type: "content", text: kept.slice(lead), at: until - all.length + lead })
  }

  function call(part: CallPart, closing: string): void {
    switch (part.type) {
      case "start":
        index++
        announced = true
        spaces = ""
        seenContent = false
        out.push({ type: "start", index, name: part.name, ...(part.id !== undefined && { id: part.id }) })
        break
      case "arguments":
        out.push({ type: "arguments", index, text: part.text })
        break
      case "end":
        completed++
        break
      case "reject":
        content(announced ? part.text + closing : raw + closing, end - unread)
        break
    }
  }

  function close(reader: CallReader, closing: string): void {
    const parts = reader.end(closing !== "")
    for (const part of parts) call(part, closing)
    if (!announced && parts.length === 0) content(raw + closing, end - unread)
    block = null
  }

  /** Text after what is being read now. */
  let unread = 0

  /** That began the block. */
  let marker = ""
  /** A bare beginning is tried once. */
  let hasGivenUp = false

  function open(found: string): void {
    announced = false
    marker = found
    raw = found
    block = { reader: format.reader(tools), ends: createStopMatcher(format.ends) }
  }

  /** false: the body is no call, and nothing of the block was passed on. */
  function readBody(reader: CallReader, body: string): boolean {
    if (!announced) raw += body
    for (const part of reader.push(body)) {
      if (part.type === "reject") return false
      call(part, "")
    }
    return true
  }

  /** The marker becomes content, and all after it is read as if no block had begun: it may hold other markers. */
  function giveUp(rest: string): string {
    const body = raw.slice(marker.length) + rest
    block = null
    unread = body.length
    content(marker, end - unread)
    hasGivenUp = true
    return body
  }

  function read(text: string): string {
    if (block === null) {
      const match = starts.push(text)
      unread = match.rest.length + (match.found?.length ?? heldBy(match.safe, text))
      content(match.safe, end - unread)
      unread = match.rest.length
      if (match.found !== null) {
        held = 0
        open(match.found)
      }
      return match.rest
    }
    const { reader, ends } = block
    const match = ends.push(text)
    unread = match.rest.length
    if (!readBody(reader, match.safe)) return giveUp((match.found ?? ends.flush()) + match.rest)
    if (match.found !== null) close(reader, match.found)
    return match.rest
  }

  /** Units that the start matcher holds back. */
  let held = 0
  function heldBy(safe: string, fresh: string): number {
    held += fresh.length - safe.length
    return held
  }

  function push(text: string, at: number): readonly CallEvent[] {
    end = at + text.length
    let rest = text
    if (isBare(rest)) open("")
    while (rest !== "") rest = read(rest)
    return take()
  }

  function isBare(text: string): boolean {
    if (format.bareStart === undefined || hasGivenUp || block !== null || index >= 0 || seenContent) return false
    return text.trimStart().startsWith(format.bareStart)
  }

  function take(): readonly CallEvent[] {
    const events = out
    out = []
    return events
  }

  return {
    push,
    flush() {
      unread = 0
      while (block !== null) {
        const { reader, ends } = block
        if (readBody(reader, ends.flush())) close(reader, "")
        else for (let rest = giveUp(""); rest !== ""; ) rest = read(rest)
      }
      unread = 0
      content(starts.flush(), end)
      // Space at the end belongs to the answer, unless calls stand before it.
      if (spaces !== "" && index < 0) out.push({ type: "content", text: spaces, at: end - spaces.length })
      spaces = ""
      return take()
    },
    get completed() {
      return completed
    },
  }
}
