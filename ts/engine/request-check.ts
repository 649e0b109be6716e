// What a request may ask of the engine, and numbers derived from it. Knows no link.

import { EngineError } from "./errors.ts"
import type { GenerationRequest, SamplingParameters } from "./generation.ts"
import { type AnswerWish, thinkingOf } from "./text/index.ts"

/** Alternatives a token that can be asked for. */
const MOST_LOGPROBS = 20

/** Throws invalid_request with the field. The door may be used without a schema in front of it. */
export function checkRequest(request: GenerationRequest, mostChoices: number): void {
  const { choices, maxTokens, logprobs, sampling } = request
  const refuse = (param: string, expected: string): never => {
    throw new EngineError("invalid_request", `${param} must be ${expected}.`, { param })
  }
  const whole = (value: number, least: number, most: number): boolean =>
    Number.isSafeInteger(value) && value >= least && value <= most
  if (!whole(choices, 1, mostChoices)) refuse("n", `a whole number from 1 to ${mostChoices}`)
  if (maxTokens !== null && !whole(maxTokens, 1, Number.MAX_SAFE_INTEGER))
    refuse("max_tokens", "a whole number above 0")
  if (!(request.stopIds ?? []).every((id) => whole(id, 0, 0x7fffffff))) refuse("stop_token_ids", "token ids")
  if (request.thinkingBudget !== undefined && !whole(request.thinkingBudget, 0, Number.MAX_SAFE_INTEGER))
    refuse("thinking_budget", "a whole number")
  if (logprobs !== undefined && !whole(logprobs, 0, MOST_LOGPROBS)) refuse("top_logprobs", `from 0 to ${MOST_LOGPROBS}`)
  if (!(sampling.temperature >= 0 && Number.isFinite(sampling.temperature))) refuse("temperature", "0 or more")
  if (!(sampling.topP > 0 && sampling.topP <= 1)) refuse("top_p", "above 0 and at most 1")
  if (!whole(sampling.topK, 0, 0x7fffffff)) refuse("top_k", "a whole number, 0 for off")
  if (!(sampling.minP >= 0 && sampling.minP <= 1)) refuse("min_p", "from 0 to 1")
  const { adjustments, shaping } = sampling
  if (shaping !== undefined) {
    if (!(shaping.typicalP > 0 && shaping.typicalP <= 1)) refuse("typical_p", "above 0 and at most 1")
    if (!(shaping.xtcProbability >= 0 && shaping.xtcProbability <= 1)) refuse("xtc_probability", "from 0 to 1")
    if (!(shaping.xtcThreshold > 0 && shaping.xtcThreshold <= 0.5)) refuse("xtc_threshold", "above 0 and at most 0.5")
  }
  if (adjustments === undefined) return
  const { repetitionPenalty, repetitionContext, presencePenalty, frequencyPenalty, minTokens } = adjustments
  if (!(repetitionPenalty > 0 && Number.isFinite(repetitionPenalty))) refuse("repetition_penalty", "above 0")
  if (!whole(repetitionContext, 0, 0x7fffffff)) refuse("repetition_context_size", "a whole number")
  if (!Number.isFinite(presencePenalty)) refuse("presence_penalty", "a number")
  if (!Number.isFinite(frequencyPenalty)) refuse("frequency_penalty", "a number")
  if (!whole(minTokens, 0, maxTokens ?? 0x7fffffff)) refuse("min_tokens", "a whole number and at most max_tokens")
  for (const [id, bias] of adjustments.logitBias)
    if (!whole(id, 0, 0x7fffffff) || Number.isNaN(bias)) refuse("logit_bias", "token ids and numbers")
}

/** null: as many tokens of thought as the model likes. Where thinking is off a model that thinks all the same may not. */
export function thinkingBudget({ prompt, thinkingBudget: budget }: GenerationRequest): number | null {
  const isOff = prompt.kind === "chat" && thinkingOf(prompt.templateOptions ?? {}) === false
  return isOff ? 0 : (budget ?? null)
}

/** What the text half needs to know of the answer. */
export function wishOf({ prompt, answerFormat, toolChoice, parallelCalls }: GenerationRequest): AnswerWish {
  return {
    format: answerFormat ?? null,
    tools: prompt.kind === "chat" ? (prompt.tools ?? []) : [],
    toolChoice: toolChoice ?? "auto",
    parallelCalls: parallelCalls ?? true,
  }
}

/** Completion tokens that the context leaves, and the request wants, at most. */
export function completionRoom(promptTokens: number, contextLength: number, maxTokens: number | null): number {
  if (promptTokens === 0) throw new EngineError("invalid_request", "The prompt is empty.", { param: "prompt" })
  const room = contextLength - promptTokens
  if (room < 1)
    throw new EngineError(
      "context_length_exceeded",
      `The prompt has ${promptTokens} tokens, and the context holds ${contextLength}. Shorten the messages.`,
      { param: "messages" },
    )
  return Math.min(room, maxTokens ?? room)
}

/** The tokens that end an answer. Those that the request names do so where it ignores the model's own, too. */
export function endsOf(
  { sampling, stopIds = [] }: GenerationRequest,
  modelEnds: readonly number[],
): { readonly sampling: SamplingParameters; readonly eosIds: readonly number[] } {
  if (stopIds.length === 0) return { sampling, eosIds: modelEnds }
  if (sampling.ignoreEos) return { sampling: { ...sampling, ignoreEos: false }, eosIds: stopIds }
  return { sampling, eosIds: [...modelEnds, ...stopIds] }
}

/**
 * Each choice has its own noise; the first is the answer to the same request with one choice. Line breaks stay possible
 * whatever leaves out tokens: without them a text finds no end.
 */
export function choiceSampling(
  sampling: SamplingParameters,
  choice: number,
  lineBreakIds: readonly number[],
): SamplingParameters {
  const { shaping } = sampling
  const shaped = shaping === undefined ? sampling : { ...sampling, shaping: { ...shaping, exemptIds: lineBreakIds } }
  return choice === 0 ? shaped : { ...shaped, seed: BigInt.asUintN(64, sampling.seed + BigInt(choice)) }
}

/** FNV-1a of the client's name; 0 for nobody. */
export function clientNumber(client: string | undefined): number {
  if (client === undefined) return 0
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(client)) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash >>> 0
}
