// The formats of tool calls, one file each, and how to choose one.

import type { ToolCallFormat } from "./format.ts"
import { hermes } from "./hermes.ts"
import { llama } from "./llama.ts"
import { mistral } from "./mistral.ts"
import { qwen3Coder } from "./qwen3-coder.ts"

/** The first that a template matches is its format: special ones before those that share their markers. */
const FORMATS: readonly ToolCallFormat[] = [qwen3Coder, mistral, hermes, llama]

export function toolCallFormat(template: string): ToolCallFormat | null {
  return FORMATS.find((format) => format.matches(template)) ?? null
}

export function toolCallFormatByName(name: string): ToolCallFormat | null {
  return FORMATS.find((format) => format.name === name) ?? null
}

export type { ToolCallFormat } from "./format.ts"
export { type CallEvent, createToolCallStream, type ToolCallStream } from "./tool-call-stream.ts"
