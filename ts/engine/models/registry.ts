// Which file of this folder runs which family (ModelConfig.family). Knows no architecture.

import type { Checkpoint, NativeEngine } from "mlx-jaccl-rs"
import type { ModelConfig } from "../checkpoint/model-config.ts"
import { EngineError } from "../errors.ts"
import type { Family, Model } from "./family.ts"
import { llama } from "./llama.ts"
import { qwen2 } from "./qwen2.ts"
import { qwen3 } from "./qwen3.ts"
import { qwen3Moe } from "./qwen3-moe.ts"
import { checkSplit } from "./split-check.ts"
import { loadWeights } from "./weight-loader.ts"
import { createWeightPlan, type WeightPlan, type WeightPlanOptions } from "./weight-plan.ts"

const FAMILIES: Readonly<Record<string, Family>> = { llama, qwen2, qwen3, qwen3_moe: qwen3Moe }

export interface LoadedModel {
  readonly model: Model
  readonly plan: WeightPlan
  readonly weightBytes: number
}

/** What of a checkpoint the description of a model needs. */
export type TensorCatalog = Pick<Checkpoint, "tensors" | "readVector">

/** The model and the weights it needs, all checked against the checkpoint's names and shapes. Reads no matrix. */
export function describeModel(
  config: ModelConfig,
  checkpoint: TensorCatalog,
  options: WeightPlanOptions = {},
): { model: Model; plan: WeightPlan } {
  const family = FAMILIES[config.family]
  if (family === undefined) {
    throw new EngineError("model_unreadable", `Models of the family "${config.family}" are not supported.`)
  }
  const plan = createWeightPlan(config, checkpoint.tensors(), options)
  const factors = config.ropeScaling?.["tensor"]
  if (typeof factors === "string") plan.claim(factors)
  const model = family(plan, typeof factors === "string" ? checkpoint.readVector(factors) : null)
  plan.finish()
  return { model, plan }
}

export function loadModel(
  engine: NativeEngine,
  checkpoint: Checkpoint,
  config: ModelConfig,
  options: WeightPlanOptions = {},
): LoadedModel {
  const { model, plan } = describeModel(config, checkpoint, options)
  checkSplit((position) => describeModel(config, checkpoint, { position }).plan, checkpoint.tensors(), plan.position)
  return { model, plan, weightBytes: loadWeights(engine, checkpoint, plan) }
}

export function unloadModel(engine: NativeEngine, plan: WeightPlan): void {
  for (const { weight } of [...plan.weights, ...plan.computed]) engine.freeWeight(weight)
}
