// Calls as a list of Python calls, [f(a=1, b="x"), g()]. LFM2: between <|tool_call_start|> and <|tool_call_end|>. Llama 4 and
// the small ones of 3.2: bare, or between <|python_start|> and <|python_end|>.

import type { ToolCallFormat } from "./format.ts"
import { createLiteralCallReader, type LiteralSyntax } from "./literal-call.ts"
import { PYTHON } from "./literals.ts"

const SYNTAX: LiteralSyntax = {
  head: /^[\s,;[]*(?<name>[A-Za-z_][\w.-]*)\(/,
  close: ")",
  noCall: /^[\s,;[]*(?:[^\s,;[A-Za-z_]|[A-Za-z_][\w.-]*[^\w.(-])/,
  key: /^\s*(?<name>[A-Za-z_][\w.-]*)\s*=/,
  tail: /^[\s,;\]]*$/,
  ...PYTHON,
}

export const lfm2: ToolCallFormat = {
  name: "lfm2",
  matches: (template) => template.includes("<|tool_list_start|>") || template.includes("<|tool_call_start|>"),
  starts: ["<|tool_call_start|>"],
  ends: ["<|tool_call_end|>"],
  reader: (tools) => createLiteralCallReader(tools, SYNTAX),
}

export const llamaPythonic: ToolCallFormat = {
  name: "llama_pythonic",
  matches: (template) => template.includes("[func_name1(") || template.includes("<|python_start|>"),
  starts: ["<|python_start|>"],
  ends: ["<|python_end|>", "<|eom|>", "<|eot|>"],
  bareStart: "[",
  reader: (tools) => createLiteralCallReader(tools, SYNTAX),
}
