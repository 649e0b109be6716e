// Sampling parameters of a request -> the words of one row of OP_SAMPLE. Definitions: opcodes.h, SampleWord. Knows no
// logits. The noise is keyed by (seed, position, token id), so a replay, a batch or a preemption changes no token.

import { EngineError } from "../errors.ts"
import type { SamplingParameters } from "../generation.ts"
import { SampleWord } from "../models/index.ts"

/** Below it, dividing by the temperature leaves the largest logit alone: such rows are greedy. */
const LEAST_TEMPERATURE = 1e-4

/** Checked parameters as words; the position is written for each token. */
export type SampleTemplate = Int32Array

/** `endIds`: tokens that end a turn. Throws EngineError "invalid_request" that names the parameter; clamps what has a harmless nearest value. */
export function sampleTemplate(
  sampling: SamplingParameters,
  vocabularySize: number,
  endIds: readonly number[] = [],
): SampleTemplate {
  const { temperature, topP, topK, minP, seed, shaping } = sampling
  const within = (name: string, value: number, least: number, most: number): void => {
    if (value >= least && value <= most) return
    const message = `${name} is ${value}, not between ${least} and ${most}.`
    throw new EngineError("invalid_request", message, { param: name })
  }
  within("temperature", temperature, 0, Number.MAX_VALUE)
  within("top_p", topP, 0, 1)
  within("min_p", minP, 0, 1)
  within("typical_p", shaping?.typicalP ?? 1, 0, 1)
  within("xtc_probability", shaping?.xtcProbability ?? 0, 0, 1)
  within("xtc_threshold", shaping?.xtcThreshold ?? 0, 0, 0.5)
  within("top_k", topK, 0, Number.MAX_SAFE_INTEGER)

  const words = new Int32Array(SampleWord.WORDS)
  const floats = new Float32Array(words.buffer)
  floats[SampleWord.TEMPERATURE] = temperature < LEAST_TEMPERATURE ? 0 : Math.min(temperature, 1e6)
  floats[SampleWord.TOP_P] = topP
  words[SampleWord.TOP_K] = topK >= vocabularySize ? 0 : topK
  floats[SampleWord.MIN_P] = minP
  floats[SampleWord.TYPICAL_P] = shaping?.typicalP ?? 1
  floats[SampleWord.XTC_PROBABILITY] = shaping?.xtcProbability ?? 0
  floats[SampleWord.XTC_THRESHOLD] = shaping?.xtcThreshold ?? 0
  const exempt = [...(shaping?.exemptIds ?? []), ...endIds].slice(0, SampleWord.EXEMPTIONS)
  words.fill(-1, SampleWord.EXEMPT, SampleWord.WORDS)
  words.set(exempt, SampleWord.EXEMPT)
  words[SampleWord.SEED_LOW] = Number(BigInt.asIntN(32, seed))
  words[SampleWord.SEED_HIGH] = Number(BigInt.asIntN(32, seed >> 32n))
  return words
}

/** Writes row `row` of `rows`; `position` is that of the token to be sampled. */
export function writeSampleRow(rows: Int32Array, row: number, template: SampleTemplate, position: number): void {
  rows.set(template, row * SampleWord.WORDS)
  rows[row * SampleWord.WORDS + SampleWord.POSITION] = position
}
