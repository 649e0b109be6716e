// Hermes: <tool_call>{"name": ..., "arguments": {...}}</tool_call>. Qwen 2.5 and 3, Hermes and many others.

import type { ToolCallFormat } from "./format.ts"
import { createJsonCallReader } from "./json-call.ts"

export const hermes: ToolCallFormat = {
  name: "hermes",
  matches: (template) => template.includes("<tool_call>"),
  starts: ["<tool_call>"],
  ends: ["</tool_call>"],
  reader: createJsonCallReader,
}
