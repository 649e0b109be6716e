// Qwen3-Coder, Qwen3.5: <tool_call><function=name><parameter=a>value</parameter></function></tool_call>.

import type { ToolCallFormat } from "./format.ts"
import { type CallTags, createTaggedCallReader } from "./tagged-call.ts"

const TAGS: CallTags = {
  head: /^\s*<function=(?<name>[^>\n]+)>/,
  // One line break on each side of a value belongs to the markup.
  parameter: /^\s*<parameter=(?<name>[^>\n]+)>\n?(?<value>[\s\S]*?)\n?<\/parameter>/,
  parameterEnd: "</parameter>",
  end: /^\s*<\/function>\s*/,
}

export const qwen3Coder: ToolCallFormat = {
  name: "qwen3_coder",
  matches: (template) => template.includes("<function=") && template.includes("<parameter="),
  starts: ["<tool_call>"],
  ends: ["</tool_call>"],
  reader: (tools) => createTaggedCallReader(tools, TAGS),
}
