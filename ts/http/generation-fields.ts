// Wire fields that both completion routes share -> the engine's neutral terms. Knows no route.

import { randomFillSync } from "node:crypto"
import type { ModelInfo, SamplingParameters } from "../engine/index.ts"
import { HttpError } from "./error-response.ts"
import type { Settings } from "./options.ts"

interface SamplingFields {
  readonly temperature?: number | null
  readonly top_p?: number | null
  readonly top_k?: number | null
  readonly min_p?: number | null
  readonly seed?: number | null
  readonly ignore_eos?: boolean | null
}

/** The request's own word, else the model's authors', else OpenAI's. */
export function samplingOf(fields: SamplingFields, { defaults = {} }: Pick<ModelInfo, "defaults">): SamplingParameters {
  return {
    temperature: fields.temperature ?? defaults.temperature ?? 1,
    // Some models ship 0 where they mean "off"; a request may not say it.
    topP: fields.top_p ?? (defaults.topP || 1),
    topK: Math.max(0, fields.top_k ?? defaults.topK ?? 0),
    minP: fields.min_p ?? defaults.minP ?? 0,
    seed: typeof fields.seed === "number" ? BigInt.asUintN(64, BigInt(fields.seed)) : randomSeed(),
    ignoreEos: fields.ignore_eos ?? false,
  }
}

export function stopOf(stop: string | readonly string[] | null | undefined): readonly string[] {
  if (stop === null || stop === undefined) return []
  return typeof stop === "string" ? [stop] : stop
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
