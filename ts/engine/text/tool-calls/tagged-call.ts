// Reads calls whose arguments stand between tags, one tag pair a parameter, and passes each on once its value is whole.
// Values are texts; the tool's schema says what they are. Knows no tags of its own.

import type { ToolDefinition } from "../../generation.ts"
import type { CallPart, CallReader } from "./format.ts"
import { createJsonCallReader, knownNames } from "./json-call.ts"
import { literalJson, PYTHON } from "./literals.ts"
import { isJson, jsonOrText, parameterSchema, valueText, wantsCollection } from "./schema-values.ts"

/** All patterns begin with ^; they are tried where the unread text begins. */
export interface CallTags {
  /** Group `name`. */
  readonly head: RegExp
  /** Groups `name` and `value`, and perhaps `string`: "true" or "false", where the markup says what the value is. */
  readonly parameter: RegExp
  /** Text that ends `parameter`: the pattern is tried only when it has come. */
  readonly parameterEnd: string
  /** null: the call goes on to the end of the body. */
  readonly end: RegExp | null
  /** Group `name`: a body that is nothing but a call without arguments. */
  readonly bare?: RegExp
}

export function createTaggedCallReader(tools: readonly ToolDefinition[], tags: CallTags): CallReader {
  const names = knownNames(tools)
  // Some answers fall back to JSON between the same markers.
  const json = createJsonCallReader(tools)
  let asJson = false
  let isFirst = true
  let text = ""
  let tool: string | null = null
  let parameters = 0
  /** Units of text in which the value's end was sought in vain. */
  let searched = 0

  function parameterParts(name: string, groups: Record<string, string>, ofTool: string): CallPart {
    const value = groups["value"] ?? ""
    const kind = groups["string"]
    const schema = parameterSchema(tools, ofTool, name)
    const json =
      kind === undefined ? textJson(value, schema) : kind === "true" ? JSON.stringify(value) : jsonOrText(value)
    return { type: "arguments", text: `${parameters++ > 0 ? ", " : ""}${JSON.stringify(name)}: ${json}` }
  }

  function step(parts: CallPart[]): boolean {
    if (tool === null) {
      const head = tags.head.exec(text)
      const name = head?.groups?.["name"]?.trim()
      if (head === null || name === undefined || !names.has(name)) return false
      parts.push({ type: "start", name }, { type: "arguments", text: "{" })
      text = text.slice(head[0].length)
      tool = name
      isFirst = false
      parameters = 0
      return true
    }
    const isOver = text.includes(tags.parameterEnd, Math.max(0, searched - tags.parameterEnd.length))
    searched = isOver ? 0 : text.length
    const parameter = isOver ? tags.parameter.exec(text) : null
    if (parameter !== null) {
      parts.push(parameterParts((parameter.groups?.["name"] ?? "").trim(), parameter.groups ?? {}, tool))
      text = text.slice(parameter[0].length)
      return true
    }
    const end = tags.end?.exec(text) ?? null
    if (end === null) return false
    parts.push({ type: "arguments", text: "}" }, { type: "end" })
    text = text.slice(end[0].length)
    searched = 0
    tool = null
    return true
  }

  return {
    push(more) {
      if (asJson) return json.push(more)
      text += more
      asJson = isFirst && /^\s*[[{]/.test(text)
      if (asJson) return json.push(text)
      const parts: CallPart[] = []
      while (step(parts)) {}
      return parts
    },
    end(isClosed) {
      if (asJson) return json.end(isClosed)
      if (tool !== null) {
        // The closing tag is often forgotten: with nothing else after the last value the call is whole.
        return text.trim() === "" ? [{ type: "arguments", text: "}" }, { type: "end" }] : []
      }
      const name = tags.bare?.exec(text)?.groups?.["name"]
      if (name !== undefined && names.has(name))
        return [{ type: "start", name }, { type: "arguments", text: "{}" }, { type: "end" }]
      return text.trim() === "" ? [] : [{ type: "reject", text }]
    },
  }
}

/** Lists and objects are sometimes written as Python's. */
function textJson(text: string, schema: unknown): string {
  return wantsCollection(schema) && !isJson(text) ? literalJson(text, schema, PYTHON) : valueText(text, schema)
}
