// Phi-4-mini: <|tool_call|>[{"name": ..., "arguments": {...}}]<|/tool_call|>, or functools[...] without markers.

import type { ToolCallFormat } from "./format.ts"
import { createJsonCallReader } from "./json-call.ts"

export const phi4: ToolCallFormat = {
  name: "phi4",
  matches: (template) => template.includes("<|/tool|>") || template.includes("functools["),
  starts: ["<|tool_call|>", "functools["],
  ends: ["<|/tool_call|>"],
  reader: createJsonCallReader,
}
