// Qwen3-Coder, Qwen3.5: <tool_call><function=name><parameter=a>value</parameter></function></tool_call>. Values are texts;
// the tool's schema says what they are.

import type { ToolDefinition } from "../../generation.ts"
import type { CallPart, CallReader, ToolCallFormat } from "./format.ts"
import { createJsonCallReader, knownNames } from "./json-call.ts"
import { parameterSchema, valueText } from "./schema-values.ts"

const FUNCTION = /^\s*<function=([^>\n]+)>/
/** One line break on each side of a value belongs to the markup. */
const PARAMETER = /^\s*<parameter=([^>\n]+)>\n?([\s\S]*?)\n?<\/parameter>/
const PARAMETER_END = "</parameter>"
const FUNCTION_END = /^\s*<\/function>\s*/

export const qwen3Coder: ToolCallFormat = {
  name: "qwen3_coder",
  matches: (template) => template.includes("<function=") && template.includes("<parameter="),
  starts: ["<tool_call>"],
  ends: ["</tool_call>"],
  reader: createQwen3CoderReader,
}

function createQwen3CoderReader(tools: readonly ToolDefinition[]): CallReader {
  const names = knownNames(tools)
  // Some answers fall back to JSON between the same markers.
  const json = createJsonCallReader(tools)
  let isJson = false
  let text = ""
  let tool: string | null = null
  let parameters = 0
  /** Units of text in which the value's end was sought in vain. */
  let searched = 0

  function step(parts: CallPart[]): boolean {
    if (tool === null) {
      const head = FUNCTION.exec(text)
      const name = head?.[1]?.trim()
      if (head === null || name === undefined || !names.has(name)) return false
      parts.push({ type: "start", name }, { type: "arguments", text: "{" })
      text = text.slice(head[0].length)
      tool = name
      parameters = 0
      return true
    }
    const isOver = text.includes(PARAMETER_END, Math.max(0, searched - PARAMETER_END.length))
    searched = isOver ? 0 : text.length
    const parameter = isOver ? PARAMETER.exec(text) : null
    if (parameter !== null) {
      const name = (parameter[1] ?? "").trim()
      const value = valueText(parameter[2] ?? "", parameterSchema(tools, tool, name))
      parts.push({ type: "arguments", text: `${parameters++ > 0 ? ", " : ""}${JSON.stringify(name)}: ${value}` })
      text = text.slice(parameter[0].length)
      return true
    }
    const end = FUNCTION_END.exec(text)
    if (end === null) return false
    parts.push({ type: "arguments", text: "}" }, { type: "end" })
    text = text.slice(end[0].length)
    searched = 0
    tool = null
    return true
  }

  return {
    push(more) {
      if (isJson) return json.push(more)
      text += more
      isJson = tool === null && /^\s*[[{]/.test(text)
      if (isJson) return json.push(text)
      const parts: CallPart[] = []
      while (step(parts)) {}
      return parts
    },
    end() {
      if (isJson) return json.end()
      if (tool !== null) {
        // </function> is often forgotten: with nothing else after the last value the call is whole.
        return text.trim() === "" ? [{ type: "arguments", text: "}" }, { type: "end" }] : []
      }
      return text.trim() === "" ? [] : [{ type: "reject", text }]
    },
  }
}
