// MiniMax M2: <minimax:tool_call><invoke name="f"><parameter name="a">value</parameter></invoke></minimax:tool_call>.

import type { ToolCallFormat } from "./format.ts"
import { type CallTags, createTaggedCallReader } from "./tagged-call.ts"

const TAGS: CallTags = {
  head: /^\s*<invoke name="?(?<name>[^">\n]+)"?>/,
  parameter: /^\s*<parameter name="?(?<name>[^">\n]+)"?>\n?(?<value>[\s\S]*?)\n?<\/parameter>/,
  parameterEnd: "</parameter>",
  end: /^\s*<\/invoke>\s*/,
}

export const minimax: ToolCallFormat = {
  name: "minimax",
  matches: (template) => template.includes("<minimax:tool_call>"),
  starts: ["<minimax:tool_call>"],
  ends: ["</minimax:tool_call>"],
  reader: (tools) => createTaggedCallReader(tools, TAGS),
}
