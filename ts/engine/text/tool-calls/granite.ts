// Granite 3: <|tool_call|>[{"name": ..., "arguments": {...}}] up to the end of the answer. Granite 4 writes as Hermes does.

import type { ToolCallFormat } from "./format.ts"
import { createJsonCallReader } from "./json-call.ts"

export const granite: ToolCallFormat = {
  name: "granite",
  matches: (template) =>
    template.includes("<|tool_call|>") ||
    (template.includes("<|start_of_role|>available_tools") && !template.includes("<tool_call>")),
  // Some answers of 3.0 and 3.1 write the marker without its bars.
  starts: ["<|tool_call|>", "<tool_call>"],
  ends: ["</tool_call>"],
  reader: createJsonCallReader,
}
