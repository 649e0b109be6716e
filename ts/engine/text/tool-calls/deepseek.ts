// DeepSeek V3, R1 and V3.1: <｜tool▁calls▁begin｜>, calls, <｜tool▁calls▁end｜>. A call of V3.1 is <｜tool▁call▁begin｜>f
// <｜tool▁sep｜>{...}<｜tool▁call▁end｜>; before, the kind stood first and the object in a fenced block.

import type { ToolCallFormat } from "./format.ts"
import { type CallFrame, createHeadedCallReader } from "./headed-call.ts"

const FRAME: CallFrame = {
  header:
    /^\s*<｜tool▁call▁begin｜>\s*(?:function<｜tool▁sep｜>(?=[^\n{]*\n\s*```))?(?<name>[^\s<{]+)\s*(?:<｜tool▁sep｜>|```json)\s*(?=\{)/,
  tail: /^\s*(?:```)?\s*<｜tool▁call▁end｜>\s*/,
}

export const deepseek: ToolCallFormat = {
  name: "deepseek",
  matches: (template) => template.includes("<｜tool▁calls▁begin｜>"),
  starts: ["<｜tool▁calls▁begin｜>"],
  ends: ["<｜tool▁calls▁end｜>"],
  markers: ["<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>"],
  reader: (tools) => createHeadedCallReader(tools, FRAME),
}
