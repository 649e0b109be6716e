// Worker of the text pool: loads a model's tokenizer when it is first asked for, then renders and encodes. A thin shell
// over model-text.ts.

import { parentPort } from "node:worker_threads"
import { EngineError, type EngineErrorCode } from "../errors.ts"
import type { Prompt } from "../generation.ts"
import type { AnswerWish } from "./answer-rule.ts"
import {
  createModelText,
  type EncodedPrompt,
  type ModelText,
  type ModelTextFacts,
  type ModelTextSource,
} from "./model-text.ts"

/** `prompt` null: asks for the facts. */
export interface TextTask {
  readonly task: number
  readonly model: ModelTextSource
  readonly prompt: Prompt | null
  readonly wish: AnswerWish | null
}

/** Told when the model is at hand and the work begins: from then on the deadline runs. */
export interface TextTaskBegun {
  readonly begun: number
}

export type TextTaskResult =
  | { readonly ok: true; readonly encoded: EncodedPrompt }
  | { readonly ok: true; readonly facts: ModelTextFacts }
  | { readonly ok: false; readonly code: EngineErrorCode; readonly message: string; readonly param: string | undefined }

/** Tokenizers a worker keeps. */
const MODELS_KEPT = 4

/** For one grammar. */
const COMPILE_MS = 1500

const models = new Map<string, Promise<ModelText>>()

export default async function textTask(task: TextTask): Promise<TextTaskResult> {
  try {
    const text = await modelText(task.model)
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a MessagePort has no origin
    parentPort?.postMessage({ begun: task.task } satisfies TextTaskBegun)
    if (task.prompt === null) return { ok: true, facts: text.facts() }
    return { ok: true, encoded: text.encode(task.prompt, task.wish ?? undefined) }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    if (error instanceof EngineError) return { ok: false, code: error.code, message, param: error.param }
    return { ok: false, code: "internal", message, param: undefined }
  }
}

/** Keyed by path; the one used longest ago makes room. */
async function modelText(source: ModelTextSource): Promise<ModelText> {
  const known = models.get(source.path) ?? load(source)
  models.delete(source.path)
  models.set(source.path, known)
  for (const path of models.keys()) if (models.size > MODELS_KEPT) models.delete(path)
  try {
    return await known
  } catch (error) {
    models.delete(source.path)
    throw error
  }
}

async function load(source: ModelTextSource): Promise<ModelText> {
  const { checkGrammar, Checkpoint, Tokenizer, trimMemory } = await import("mlx-jaccl-rs")
  const { kind, path } = source.tokenizer
  try {
    const tokenizer = kind === "gguf" ? Tokenizer.fromGguf(new Checkpoint(path)) : Tokenizer.fromFile(path)
    const text = createModelText(source, tokenizer, (rule) => checkGrammar(rule, tokenizer.vocabularySize, COMPILE_MS))
    // Reading a vocabulary frees more than it keeps.
    trimMemory()
    return text
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new EngineError("model_unreadable", `The tokenizer cannot be read: ${reason}`, { cause })
  }
}
