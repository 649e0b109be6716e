// The text pool: a few threads that render chat templates and tokenize, so that the front's main thread never does. A
// task that takes too long loses its thread. Knows no engine and no link.

import { Piscina } from "piscina"
import type { ModelFiles } from "../checkpoint/index.ts"
import { EngineError } from "../errors.ts"
import type { Prompt } from "../generation.ts"
import type { AnswerWish } from "./answer-rule.ts"
import type { EncodedPrompt, ModelTextFacts, ModelTextSource } from "./model-text.ts"
import type { TextTask, TextTaskBegun, TextTaskResult } from "./text-worker.ts"

export interface TextPoolOptions {
  readonly threads?: number
  /** For rendering and encoding one prompt, from when a thread takes it up. */
  readonly deadlineMs?: number
  /** Tasks waiting for a thread. */
  readonly queue?: number
}

export interface TextPool {
  /** Loads the tokenizer and says what the main thread needs of it. */
  facts(files: ModelFiles): Promise<ModelTextFacts>
  /** Throws EngineError invalid_request where what is wished of the answer cannot be had. */
  encode(files: ModelFiles, prompt: Prompt, wish?: AnswerWish): Promise<EncodedPrompt>
  close(): Promise<void>
}

const DEFAULT_THREADS = 2
const DEFAULT_DEADLINE_MS = 5_000
const DEFAULT_QUEUE = 1024
/** For waiting, starting a thread and loading a tokenizer. */
const START_DEADLINE_MS = 60_000
/** JavaScript heap of a thread: what a template may fill. */
const HEAP_MEBIBYTES = 512
/** Of it for young objects. Node's 48 would stay with each thread for ever, for prompts of some kilobytes. */
const YOUNG_MEBIBYTES = 12

export function createTextPool(options: TextPoolOptions = {}): TextPool {
  const deadlineMs = options.deadlineMs ?? DEFAULT_DEADLINE_MS
  const pool = new Piscina<TextTask, TextTaskResult>({
    filename: new URL("./text-worker.js", import.meta.url).href,
    minThreads: 1,
    maxThreads: options.threads ?? DEFAULT_THREADS,
    idleTimeout: Number.POSITIVE_INFINITY,
    maxQueue: options.queue ?? DEFAULT_QUEUE,
    // With "sync" a worker's event loop never turns, and the ids that the tokenizer allocates are never given back.
    atomics: "disabled",
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MEBIBYTES, maxYoungGenerationSizeMb: YOUNG_MEBIBYTES },
  })
  const begun = new Map<number, () => void>()
  let tasks = 0
  let closing: Promise<void> | null = null

  pool.on("message", (message: TextTaskBegun) => begun.get(message.begun)?.())

  async function run(
    files: ModelFiles,
    prompt: Prompt | null,
    wish: AnswerWish | null = null,
  ): Promise<TextTaskResult> {
    if (closing !== null) throw new EngineError("engine_unavailable", "The text pool is closed.")
    const task = tasks++
    const abort = new AbortController()
    const deadline = (ms: number): NodeJS.Timeout => setTimeout(() => abort.abort(), ms)
    let timer = deadline(START_DEADLINE_MS)
    begun.set(task, () => {
      clearTimeout(timer)
      timer = deadline(prompt === null ? START_DEADLINE_MS : deadlineMs)
    })
    try {
      return await pool.run({ task, model: textSource(files), prompt, wish }, { signal: abort.signal })
    } catch (cause) {
      throw poolError(cause, abort.signal.aborted, deadlineMs)
    } finally {
      clearTimeout(timer)
      begun.delete(task)
    }
  }

  return {
    async facts(files) {
      const result = await run(files, null)
      if (result.ok && "facts" in result) return result.facts
      throw resultError(result)
    },
    async encode(files, prompt, wish) {
      const result = await run(files, prompt, wish)
      if (result.ok && "encoded" in result) return result.encoded
      throw resultError(result)
    },
    close() {
      closing ??= pool.destroy()
      return closing
    },
  }
}

function resultError(result: TextTaskResult): EngineError {
  if (result.ok) return new EngineError("internal", "The text pool gave another answer than was asked for.")
  return new EngineError(result.code, result.message, result.param === undefined ? {} : { param: result.param })
}

function poolError(cause: unknown, aborted: boolean, deadlineMs: number): EngineError {
  const message = cause instanceof Error ? cause.message : String(cause)
  if (aborted)
    return new EngineError("template_timeout", `The prompt was not rendered and encoded within ${deadlineMs} ms.`, {
      cause,
    })
  if (/queue/i.test(message)) return new EngineError("overloaded", "Too many prompts wait to be encoded.", { cause })
  if (cause instanceof Error && "code" in cause && cause.code === "ERR_WORKER_OUT_OF_MEMORY")
    return new EngineError("invalid_template", "The chat template needs too much memory for these messages.", { cause })
  return new EngineError("internal", `The text pool failed: ${message}`, { cause })
}

function textSource(files: ModelFiles): ModelTextSource {
  const { path, tokenizer, chatTemplates, specialTokens, bosId, eosIds } = files
  return { path, tokenizer, chatTemplates, specialTokens, bosId, eosIds }
}
