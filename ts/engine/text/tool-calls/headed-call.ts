// Reads calls whose arguments are a JSON object after a header that names the tool, one or several in a body, and passes
// arguments on while they are written. Knows no markers of its own.

import type { ToolDefinition } from "../../generation.ts"
import type { CallPart, CallReader } from "./format.ts"
import { createObjectScanner, endWithoutBrackets, knownNames, passObject } from "./json-call.ts"

/** All patterns begin with ^; they are tried where the unread text begins. */
export interface CallFrame {
  /** Groups `name` and perhaps `id`. Ends before the object's brace. */
  readonly header: RegExp
  /** After the object. */
  readonly tail: RegExp
  /** Group `name` and perhaps `id`: a call without an object. It is tried when the body is over. */
  readonly bare?: RegExp
}

export function createHeadedCallReader(tools: readonly ToolDefinition[], frame: CallFrame): CallReader {
  const names = knownNames(tools)
  let state: "header" | "arguments" | "tail" = "header"
  let text = ""
  let scanner = createObjectScanner()

  function startOf(match: RegExpExecArray | null | undefined): CallPart | null {
    const name = match?.groups?.["name"]
    const id = match?.groups?.["id"]
    if (name === undefined || !names.has(name)) return null
    return { type: "start", name, ...(id !== undefined && { id }) }
  }

  function step(parts: CallPart[]): boolean {
    if (state === "header") {
      const header = frame.header.exec(text)
      const start = startOf(header)
      if (header === null || start === null) return false
      parts.push(start)
      text = text.slice(header[0].length)
      scanner = createObjectScanner()
      state = "arguments"
      return true
    }
    if (state === "arguments") {
      const rest = passObject(scanner, text, parts)
      text = rest ?? ""
      if (rest === null) return false
      state = "tail"
      return true
    }
    const tail = frame.tail.exec(text)
    if (tail === null) return false
    text = text.slice(tail[0].length)
    state = "header"
    return true
  }

  return {
    push(more) {
      text += more
      const parts: CallPart[] = []
      while (step(parts)) {}
      return parts
    },
    end(isClosed) {
      if (state === "arguments" && isClosed) return endWithoutBrackets(scanner)
      if (state !== "header" || text.trim() === "") return []
      const start = startOf(frame.bare?.exec(text))
      return start === null ? [{ type: "reject", text }] : [start, { type: "arguments", text: "{}" }, { type: "end" }]
    },
  }
}
