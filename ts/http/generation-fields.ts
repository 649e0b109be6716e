// Wire fields that both completion routes share -> the engine's neutral terms. Knows no route.

import { randomFillSync } from "node:crypto"
import type { DistributionShaping, LogitAdjustments, ModelInfo, SamplingParameters } from "../engine/index.ts"
import { HttpError } from "./error-response.ts"
import type { Settings } from "./options.ts"

interface SamplingFields {
  readonly temperature?: number | null
  readonly top_p?: number | null
  readonly top_k?: number | null
  readonly min_p?: number | null
  readonly typical_p?: number | null
  readonly xtc_probability?: number | null
  readonly xtc_threshold?: number | null
  readonly seed?: number | null
  readonly ignore_eos?: boolean | null
  readonly presence_penalty?: number | null
  readonly frequency_penalty?: number | null
  readonly repetition_penalty?: number | null
  readonly repetition_context_size?: number | null
  readonly logit_bias?: Readonly<Record<string, number>> | null
  readonly min_tokens?: number | null
}

/** The customary threshold of XTC. */
const XTC_THRESHOLD = 0.1
/** Tokens that repetition_penalty sees where a request does not say; mlx-lm's. */
const REPETITION_CONTEXT = 20

/** The request's own word, else the model's authors', else OpenAI's. Throws invalid_value. */
export function samplingOf(
  fields: SamplingFields,
  model: Pick<ModelInfo, "defaults" | "vocabularySize">,
): SamplingParameters {
  const { defaults = {} } = model
  const adjustments = adjustmentsOf(fields, model)
  const shaping = shapingOf(fields)
  return {
    temperature: fields.temperature ?? defaults.temperature ?? 1,
    // Some models ship 0 where they mean "off"; a request may not say it.
    topP: fields.top_p ?? (defaults.topP || 1),
    topK: Math.max(0, fields.top_k ?? defaults.topK ?? 0),
    minP: fields.min_p ?? defaults.minP ?? 0,
    seed: typeof fields.seed === "number" ? BigInt.asUintN(64, BigInt(fields.seed)) : randomSeed(),
    ignoreEos: fields.ignore_eos ?? false,
    ...(adjustments === null ? {} : { adjustments }),
    ...(shaping === null ? {} : { shaping }),
  }
}

/** Null: nothing but the tail is left out. */
function shapingOf(fields: SamplingFields): DistributionShaping | null {
  const { typical_p: typicalP, xtc_probability: xtcProbability, xtc_threshold: xtcThreshold } = fields
  if ((typicalP ?? 1) === 1 && (xtcProbability ?? 0) === 0) return null
  return {
    typicalP: typicalP ?? 1,
    xtcProbability: xtcProbability ?? 0,
    xtcThreshold: xtcThreshold ?? XTC_THRESHOLD,
    exemptIds: [],
  }
}

/** Null: the logits are taken as they are. */
function adjustmentsOf(
  fields: SamplingFields,
  { defaults = {}, vocabularySize }: Pick<ModelInfo, "defaults" | "vocabularySize">,
): LogitAdjustments | null {
  const adjustments = {
    // 0 is off in some clients, 1 in others.
    repetitionPenalty: (fields.repetition_penalty ?? defaults.repetitionPenalty) || 1,
    repetitionContext: fields.repetition_context_size ?? REPETITION_CONTEXT,
    presencePenalty: fields.presence_penalty ?? 0,
    frequencyPenalty: fields.frequency_penalty ?? 0,
    minTokens: fields.min_tokens ?? 0,
    logitBias: Object.entries(fields.logit_bias ?? {}).map(
      ([key, bias]) => [tokenOf(key, vocabularySize), bias] as const,
    ),
  }
  const { repetitionPenalty, presencePenalty, frequencyPenalty, minTokens, logitBias } = adjustments
  const asks = repetitionPenalty !== 1 || presencePenalty !== 0 || frequencyPenalty !== 0 || minTokens !== 0
  return asks || logitBias.length > 0 ? adjustments : null
}

function tokenOf(key: string, vocabularySize: number): number {
  const id = /^\d{1,9}$/.test(key) ? Number(key) : Number.POSITIVE_INFINITY
  if (id < vocabularySize) return id
  throw new HttpError("invalid_value", `'logit_bias' names no token of the vocabulary of ${vocabularySize}.`, {
    param: "logit_bias",
  })
}

export function stopOf(stop: string | readonly string[] | null | undefined): readonly string[] {
  if (stop === null || stop === undefined) return []
  return typeof stop === "string" ? [stop] : stop
}

/** Throws invalid_value. */
export function stopIdsOf(
  ids: readonly number[] | null | undefined,
  { vocabularySize }: Pick<ModelInfo, "vocabularySize">,
): { readonly stopIds?: readonly number[] } {
  if (ids === null || ids === undefined || ids.length === 0) return {}
  if (ids.every((id) => id < vocabularySize)) return { stopIds: ids }
  throw new HttpError("invalid_value", `'stop_token_ids' names no token of the vocabulary of ${vocabularySize}.`, {
    param: "stop_token_ids",
  })
}

/** How the answer is to come. Throws invalid_value. */
export function deliveryOf(fields: { readonly stream?: boolean | null; readonly resumable?: boolean | null }): {
  readonly streamed: boolean
  readonly resumable: boolean
} {
  const streamed = fields.stream ?? false
  const resumable = fields.resumable ?? false
  if (resumable && !streamed)
    throw new HttpError("invalid_value", "'resumable' needs 'stream': true.", { param: "resumable" })
  return { streamed, resumable }
}

function randomSeed(): bigint {
  return randomFillSync(new BigUint64Array(1))[0] ?? 0n
}

/** The served model that a client's name means. Throws model_not_found. */
export function resolveModel(
  name: string | undefined,
  models: readonly ModelInfo[],
  settings: Pick<Settings, "aliases" | "acceptAnyModel">,
): ModelInfo {
  const [first] = models
  if (name === undefined && first !== undefined) return first
  const alias = name !== undefined && Object.hasOwn(settings.aliases, name) ? settings.aliases[name] : undefined
  const found = models.find((model) => model.id === name) ?? models.find((model) => model.id === alias)
  if (found !== undefined) return found
  if (settings.acceptAnyModel && first !== undefined) return first
  const served = models.map((model) => model.id).join(", ") || "none"
  throw new HttpError("model_not_found", `No model '${name ?? ""}' is served here. Served: ${served}.`, {
    param: "model",
  })
}

/** Of OpenAI's predicted output; nothing where the request predicts none. */
export function predictionOf(prediction: PredictionField | null | undefined): { readonly prediction?: string } {
  if (prediction === null || prediction === undefined) return {}
  const { content } = prediction
  const text = typeof content === "string" ? content : content.map((part) => part.text).join("")
  return text === "" ? {} : { prediction: text }
}

interface PredictionField {
  readonly content: string | readonly { readonly text: string }[]
}
