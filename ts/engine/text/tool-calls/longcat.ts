// LongCat: <longcat_tool_call>f<longcat_arg_key>a</longcat_arg_key><longcat_arg_value>value</longcat_arg_value>
// </longcat_tool_call>, or JSON between the same markers.

import type { ToolCallFormat } from "./format.ts"
import { type CallTags, createTaggedCallReader } from "./tagged-call.ts"

const TAGS: CallTags = {
  head: /^\s*(?<name>[^\s<]+)(?=\s*<longcat_arg_key>)/,
  parameter:
    /^\s*<longcat_arg_key>(?<name>[^<]*)<\/longcat_arg_key>\s*<longcat_arg_value>(?<value>[\s\S]*?)<\/longcat_arg_value>/,
  parameterEnd: "</longcat_arg_value>",
  end: null,
  bare: /^\s*(?<name>[^\s<]+)\s*$/,
}

export const longcat: ToolCallFormat = {
  name: "longcat",
  matches: (template) => template.includes("<longcat_tool_call>"),
  starts: ["<longcat_tool_call>"],
  ends: ["</longcat_tool_call>"],
  markers: ["<longcat_arg_key>", "</longcat_arg_key>", "<longcat_arg_value>", "</longcat_arg_value>"],
  reader: (tools) => createTaggedCallReader(tools, TAGS),
}
