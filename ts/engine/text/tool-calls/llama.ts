// Llama 3.x: <|python_tag|>{"name": ..., "parameters": {...}}, or the bare object as the whole answer. Several calls are
// separated by semicolons.

import type { ToolCallFormat } from "./format.ts"
import { createJsonCallReader } from "./json-call.ts"

export const llama: ToolCallFormat = {
  name: "llama",
  matches: (template) => template.includes("<|python_tag|>") || /"parameters": ?dictionary of argument/.test(template),
  starts: ["<|python_tag|>"],
  ends: ["<|eom_id|>", "<|eot_id|>"],
  bareStart: "{",
  reader: createJsonCallReader,
}
