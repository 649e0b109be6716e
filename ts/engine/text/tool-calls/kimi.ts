// Kimi K2: <|tool_calls_section_begin|><|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{...}<|tool_call_end|>,
// repeated, <|tool_calls_section_end|>. The model names its calls itself and wants the same ids back.

import type { ToolCallFormat } from "./format.ts"
import { type CallFrame, createHeadedCallReader } from "./headed-call.ts"

const ID = String.raw`(?<id>(?:functions\.)?(?<name>[^\s:<|]+)(?::\d+)?)`
const FRAME: CallFrame = {
  header: new RegExp(String.raw`^\s*<\|tool_call_begin\|>\s*${ID}\s*<\|tool_call_argument_begin\|>\s*(?=\{)`),
  tail: /^\s*<\|tool_call_end\|>\s*/,
  bare: new RegExp(
    String.raw`^\s*<\|tool_call_begin\|>\s*${ID}\s*<\|tool_call_argument_begin\|>\s*<\|tool_call_end\|>\s*$`,
  ),
}

export const kimi: ToolCallFormat = {
  name: "kimi",
  matches: (template) => template.includes("<|tool_calls_section_begin|>"),
  starts: ["<|tool_calls_section_begin|>"],
  ends: ["<|tool_calls_section_end|>"],
  markers: ["<|tool_call_begin|>", "<|tool_call_argument_begin|>", "<|tool_call_end|>"],
  reader: (tools) => createHeadedCallReader(tools, FRAME),
}
