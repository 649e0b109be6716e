// The fixed prompt that a cluster proves itself with, its greedy answer, and what makes two answers the same. Knows no
// ranks and no files.

import { EngineError } from "./errors.ts"
import { RECORD_WORDS, RecordKind } from "./rings/index.ts"
import { type Scheduler, type SchedulerOptions, type StepLoop } from "./scheduling/index.ts"

export interface ProofAnswer {
  readonly tokens: readonly number[]
  /** Natural logarithms. */
  readonly logprobs: readonly number[]
}

/** Tokens of the prompt: two borders of prefill chunks lie in it, neither at a block of KV memory. */
const PROMPT_TOKENS = 60
export const PROOF_CHUNK = 23
const ANSWER_TOKENS = 16
/** KV memory for so many positions is enough. */
export const PROOF_POSITIONS = PROMPT_TOKENS + ANSWER_TOKENS
/**
 * Two sums of the same numbers in another order may choose another of two tokens that are as good as equally likely.
 * Damage moves log-probabilities by far more.
 */
const TIE = 0.02

/** Makes the loop of one model whose records go to `emit`. */
export type MakeLoop = (
  options: Pick<SchedulerOptions, "prefillChunk" | "interleavedChunk">,
  emit: (words: Int32Array) => void,
) => { readonly scheduler: Scheduler; readonly loop: StepLoop }

export function answerProof(makeLoop: MakeLoop, vocabularySize: number, model: number, chunk: number): ProofAnswer {
  const tokens: number[] = []
  const logprobs: number[] = []
  const { scheduler, loop } = makeLoop({ prefillChunk: chunk, interleavedChunk: chunk }, (words) => {
    const floats = new Float32Array(words.buffer, words.byteOffset, words.length)
    for (let at = 0; at < words.length; at += RECORD_WORDS) {
      if (words[at] === RecordKind.error) throw new EngineError("internal", "The proof of the cluster got an error.")
      if (words[at] !== RecordKind.token) continue
      tokens.push(words[at + 4] ?? 0)
      logprobs.push(floats[at + 5] ?? 0)
    }
  })
  scheduler.submit({
    kind: "submit",
    slot: 0,
    generation: 0,
    model,
    promptIds: promptIds(vocabularySize),
    sampling: { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 0n, ignoreEos: true },
    maxTokens: ANSWER_TOKENS,
    resumed: 0,
    logprobs: 0,
    eosIds: [],
    client: 0,
  })
  while (loop.step());
  return { tokens, logprobs }
}

/** Any ids will do; a linear congruence (Knuth's MMIX factor, shortened) spreads them over the vocabulary. */
function promptIds(vocabularySize: number): Int32Array {
  let state = 1
  return Int32Array.from({ length: PROMPT_TOKENS }, () => {
    state = (Math.imul(state, 1_284_865_837) + 1) | 0
    return Math.floor(((state >>> 0) / 2 ** 32) * vocabularySize)
  })
}

/**
 * How many tokens agree before one that two sums may choose differently; all of them as a rule. Throws EngineError where
 * the answers differ by more.
 */
export function compareProofs(expected: ProofAnswer, got: ProofAnswer, names: readonly [string, string]): number {
  for (const [i, token] of expected.tokens.entries()) {
    const [a = Number.NaN, b = Number.NaN] = [expected.logprobs[i], got.logprobs[i]]
    const isClose = Math.abs(a - b) <= TIE
    if (got.tokens[i] === token && isClose) continue
    if (isClose) return i
    throw new EngineError(
      "model_unreadable",
      `The ranks do not compute this model rightly: token ${i} of a fixed prompt's answer is ${got.tokens[i]} (log-probability ${b.toFixed(4)}) ${names[1]}, but ${token} (${a.toFixed(4)}) ${names[0]}. Compare the copies of the model (mlx-cluster sync) and start again; if it stays so, look for a faulty machine or cable.`,
    )
  }
  return expected.tokens.length
}
