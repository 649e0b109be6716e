// GLM 4.5 and later: <tool_call>f<arg_key>a</arg_key><arg_value>value</arg_value></tool_call>, one call a block.

import type { ToolCallFormat } from "./format.ts"
import { type CallTags, createTaggedCallReader } from "./tagged-call.ts"

const TAGS: CallTags = {
  head: /^\s*(?<name>[^\s<]+)(?=\s*<arg_key>)/,
  parameter: /^\s*<arg_key>(?<name>[^<]*)<\/arg_key>\s*<arg_value>(?<value>[\s\S]*?)<\/arg_value>/,
  parameterEnd: "</arg_value>",
  end: null,
  bare: /^\s*(?<name>[^\s<]+)\s*$/,
}

export const glm: ToolCallFormat = {
  name: "glm",
  matches: (template) => template.includes("<arg_key>"),
  starts: ["<tool_call>"],
  ends: ["</tool_call>"],
  markers: ["<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"],
  reader: (tools) => createTaggedCallReader(tools, TAGS),
}
