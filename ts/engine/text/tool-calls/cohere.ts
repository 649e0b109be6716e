// Command A and R7B: <|START_ACTION|>[{"tool_call_id": "0", "tool_name": ..., "parameters": {...}}]<|END_ACTION|>. Command R:
// the same list in a fenced block after "Action:".

import type { ToolCallFormat } from "./format.ts"
import { createJsonCallReader } from "./json-call.ts"

export const cohere: ToolCallFormat = {
  name: "cohere",
  matches: (template) => template.includes("<|START_ACTION|>") || template.includes("Action: ```json"),
  starts: ["<|START_ACTION|>", "Action: ```json\n", "Action:```json\n"],
  ends: ["<|END_ACTION|>", "\n```"],
  reader: createJsonCallReader,
}
