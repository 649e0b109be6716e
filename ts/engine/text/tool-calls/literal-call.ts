// Reads calls that look like source text, name(key=value, ...), one or several in a body, and passes each argument on
// once it is whole. Knows no markers of its own.

import type { ToolDefinition } from "../../generation.ts"
import type { CallPart, CallReader } from "./format.ts"
import { knownNames } from "./json-call.ts"
import { type LiteralDialect, literalJson } from "./literals.ts"
import { parameterNames, parameterSchema } from "./schema-values.ts"

export interface LiteralSyntax extends LiteralDialect {
  /** Group `name`; begins with ^ and ends after the opening bracket. */
  readonly head: RegExp
  readonly close: string
  /** Group `name` and the separator after it; begins with ^. */
  readonly key: RegExp
  /** What a body that is no call begins with; begins with ^. */
  readonly noCall: RegExp
  /** What may stand after the last call; begins with ^ and ends with $. */
  readonly tail: RegExp
}

const OPENING = "([{"
const CLOSING = ")]}"

export function createLiteralCallReader(tools: readonly ToolDefinition[], syntax: LiteralSyntax): CallReader {
  const names = knownNames(tools)
  let text = ""
  let tool: string | null = null
  let hasBegun = false
  /** Names of the arguments passed on. */
  let given: Set<string> = new Set()
  /** Of the argument that is being read: how far, at what depth, in which string. */
  let scanned = 0
  let depth = 0
  let quote: string | null = null

  /** Index of the comma or bracket that ends the argument; -1 when more text is needed. */
  function argumentEnd(): number {
    const longest = Math.max(...syntax.quotes.map((known) => known.length))
    for (; scanned < text.length; scanned++) {
      const char = text[scanned] ?? ""
      if (quote !== null) {
        if (syntax.escapes && char === "\\") {
          if (scanned + 1 >= text.length) return -1
          scanned++
        } else if (text.startsWith(quote, scanned)) {
          scanned += quote.length - 1
          quote = null
        } else if (quote.startsWith(text.slice(scanned))) return -1
        continue
      }
      // Which delimiter it is may show in the next piece only.
      const isOpen = syntax.quotes.some((known) => known.startsWith(text.slice(scanned, scanned + longest)))
      if (isOpen && text.length - scanned < longest) return -1
      quote = syntax.quotes.find((known) => text.startsWith(known, scanned)) ?? null
      if (quote !== null) scanned += quote.length - 1
      else if (depth === 0 && (char === "," || char === syntax.close)) return scanned
      else if (OPENING.includes(char)) depth++
      else if (CLOSING.includes(char)) depth--
    }
    return -1
  }

  /** JSON text of a member; "" for an empty argument. An argument without a key has the next parameter's name. */
  function member(argument: string, ofTool: string): string {
    if (argument.trim() === "") return ""
    const key = syntax.key.exec(argument)
    const name = key?.groups?.["name"]?.trim() ?? parameterNames(tools, ofTool).find((known) => !given.has(known))
    if (name === undefined || given.has(name)) return ""
    const value = literalJson(argument.slice(key?.[0].length ?? 0), parameterSchema(tools, ofTool, name), syntax)
    const comma = given.size > 0 ? ", " : ""
    given.add(name)
    return `${comma}${JSON.stringify(name)}: ${value}`
  }

  function step(parts: CallPart[]): boolean {
    if (tool === null) {
      const head = syntax.head.exec(text)
      const name = head?.groups?.["name"]
      if (head === null || name === undefined || !names.has(name)) return false
      parts.push({ type: "start", name }, { type: "arguments", text: "{" })
      text = text.slice(head[0].length)
      tool = name
      hasBegun = true
      given = new Set()
      scanned = 0
      depth = 0
      return true
    }
    const end = argumentEnd()
    if (end < 0) return false
    const json = member(text.slice(0, end), tool)
    if (json !== "") parts.push({ type: "arguments", text: json })
    const isLast = text[end] === syntax.close
    text = text.slice(end + 1)
    scanned = 0
    if (isLast) {
      parts.push({ type: "arguments", text: "}" }, { type: "end" })
      tool = null
    }
    return true
  }

  return {
    push(more) {
      text += more
      const parts: CallPart[] = []
      while (step(parts)) {}
      return !hasBegun && syntax.noCall.test(text) ? [{ type: "reject", text }] : parts
    },
    end() {
      return tool !== null || syntax.tail.test(text) ? [] : [{ type: "reject", text }]
    },
  }
}
