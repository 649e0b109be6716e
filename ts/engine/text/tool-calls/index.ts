// The formats of tool calls, one file each, and how to choose one.

import { cohere } from "./cohere.ts"
import { deepseek } from "./deepseek.ts"
import { deepseekDsml } from "./deepseek-dsml.ts"
import type { ToolCallFormat } from "./format.ts"
import { functionGemma, gemma4 } from "./gemma.ts"
import { glm } from "./glm.ts"
import { granite } from "./granite.ts"
import { harmony } from "./harmony.ts"
import { hermes } from "./hermes.ts"
import { kimi } from "./kimi.ts"
import { llama } from "./llama.ts"
import { longcat } from "./longcat.ts"
import { minimax } from "./minimax.ts"
import { mistral } from "./mistral.ts"
import { phi4 } from "./phi4.ts"
import { lfm2, llamaPythonic } from "./pythonic.ts"
import { qwen3Coder } from "./qwen3-coder.ts"

/** The first that a template matches is its format: special ones before those that share their markers. */
const FORMATS: readonly ToolCallFormat[] = [
  minimax,
  gemma4,
  functionGemma,
  longcat,
  glm,
  lfm2,
  qwen3Coder,
  kimi,
  mistral,
  cohere,
  phi4,
  granite,
  hermes,
  harmony,
  deepseekDsml,
  deepseek,
  llamaPythonic,
  llama,
]

export function toolCallFormat(template: string): ToolCallFormat | null {
  return FORMATS.find((format) => format.matches(template)) ?? null
}

export function toolCallFormatByName(name: string): ToolCallFormat | null {
  return FORMATS.find((format) => format.name === name) ?? null
}

export { type CallGrammar, callGrammar, type GrammarTool } from "./call-grammar.ts"
export { callLiteral } from "./call-literal.ts"
export type { ToolCallFormat } from "./format.ts"
export { type CallEvent, createToolCallStream, type ToolCallStream } from "./tool-call-stream.ts"
