// Which architectures run, and by which name each model_type goes. Knows no tensors.

import { EngineError } from "../errors.ts"

/** Values of model_type that are another family's architecture under a new name. */
const SAME_ARCHITECTURE: Readonly<Record<string, string>> = {
  mistral: "llama",
  iquestcoder: "llama",
  qwen3moe: "qwen3_moe",
}

/** Files of ts/engine/models. */
const FAMILIES = ["llama", "qwen2", "qwen3", "qwen3_moe"] as const

export type Family = (typeof FAMILIES)[number]

/** The family that runs a model_type (config.json) or general.architecture (GGUF). */
export function familyOf(modelType: string, source: string): Family {
  const name = SAME_ARCHITECTURE[modelType] ?? modelType
  const family = FAMILIES.find((known) => known === name)
  if (family === undefined)
    throw new EngineError(
      "model_unreadable",
      `${source}: the model type "${modelType}" is not supported. Supported: ${FAMILIES.join(", ")}, mistral.`,
    )
  return family
}
