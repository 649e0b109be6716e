// Gemma 4: <|tool_call>call:f{a:<|"|>text<|"|>,n:1,o:{...},l:[...]}<tool_call|>. FunctionGemma: the same with
// <start_function_call>, <end_function_call> and <escape>. Keys are bare.

import type { ToolCallFormat } from "./format.ts"
import { createLiteralCallReader, type LiteralSyntax } from "./literal-call.ts"

const SYNTAX: LiteralSyntax = {
  head: /^[\s,]*call:(?<name>[^\s{}:]+)\s*\{/,
  close: "}",
  noCall: /^[\s,]*(?!c(?:$|a(?:$|l(?:$|l(?:$|:)))))[^\s,]/,
  key: /^\s*(?<name>[^\s:{}[\],<]+)\s*:/,
  tail: /^[\s,]*$/,
  quotes: ['<|"|>', "<escape>"],
  escapes: false,
}

export const gemma4: ToolCallFormat = {
  name: "gemma4",
  matches: (template) => template.includes("<|tool_call>") && template.includes("<tool_call|>"),
  starts: ["<|tool_call>"],
  ends: ["<tool_call|>"],
  markers: ['<|"|>'],
  reader: (tools) => createLiteralCallReader(tools, SYNTAX),
}

export const functionGemma: ToolCallFormat = {
  name: "function_gemma",
  matches: (template) => template.includes("<start_function_call>"),
  starts: ["<start_function_call>"],
  ends: ["<end_function_call>"],
  markers: ["<escape>"],
  reader: (tools) => createLiteralCallReader(tools, SYNTAX),
}
