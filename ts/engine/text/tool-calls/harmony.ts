// gpt-oss (harmony): <|channel|>commentary to=functions.f <|constrain|>json<|message|>{...}<|call|>, also on the analysis
// channel, and with the recipient before the channel. The channels themselves are the reasoning splitter's.

import type { ToolCallFormat } from "./format.ts"
import { type CallFrame, createHeadedCallReader } from "./headed-call.ts"

const FRAME: CallFrame = {
  header: /^(?<name>[^\s<{]+)[^{]*?<\|message\|>\s*(?=\{)/,
  tail: /^\s+/,
  bare: /^(?<name>[^\s<{]+)[^{]*?<\|message\|>\s*$/,
}

export const harmony: ToolCallFormat = {
  name: "harmony",
  matches: (template) => template.includes("<|channel|>"),
  starts: ["<|channel|>commentary to=functions.", "<|channel|>analysis to=functions.", " to=functions."],
  ends: ["<|call|>", "<|end|>", "<|return|>", "<|start|>"],
  markers: ["<|channel|>", "<|message|>", "<|constrain|>"],
  reader: (tools) => createHeadedCallReader(tools, FRAME),
}
