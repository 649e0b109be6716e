// What every rank makes of a loaded model, whether it schedules or follows: its weights, its KV memory and its runner.

import type { Checkpoint, NativeEngine } from "mlx-jaccl-rs"
import type { ModelConfig } from "./checkpoint/index.ts"
import { headShare, type LoadedModel, loadModel, type Model, type RankPosition, unloadModel } from "./models/index.ts"
import {
  createKvSequences,
  createModelRunner,
  kvBytesPerPosition,
  type KvSequences,
  type ModelRunner,
  RUNNER_REGISTERS,
} from "./scheduling/index.ts"

export interface ModelPartsOptions {
  /** Names its registers: no two models at once have the same. */
  readonly model: number
  readonly firstWeight: number
  readonly elementBytes: number
  readonly position: RankPosition
}

export interface ModelParts {
  readonly weightBytes: number
  readonly nextWeight: number
  /** Of this rank's heads, over all layers. */
  readonly kvBytesPerPosition: number
  /** Makes the KV memory. Once. */
  open(capacityBytes: number): OpenModel
  /** Frees everything. */
  close(): void
}

export interface OpenModel {
  readonly store: number
  readonly kv: KvSequences
  readonly runner: ModelRunner
  readonly model: Model
  /** Of the persistent registers that are its own. */
  readonly firstRegister: number
}

/** Reads this rank's slices of the weights. Throws EngineError "model_unreadable"; then nothing is left behind. */
export function loadModelParts(
  engine: NativeEngine,
  checkpoint: Checkpoint,
  config: ModelConfig,
  options: ModelPartsOptions,
): ModelParts {
  const { position, firstWeight, model } = options
  const { vocabularySize, hiddenSize, layers, headDim } = config
  const loaded: LoadedModel = loadModel(engine, checkpoint, config, { firstWeight, position })
  const { kv: ownHeads } = headShare(config.queryHeads, config.kvHeads, position)
  const kvHeads = ownHeads[1] - ownHeads[0]
  let store = -1
  return {
    weightBytes: loaded.weightBytes,
    nextWeight: firstWeight + loaded.plan.weights.length + loaded.plan.computed.length,
    kvBytesPerPosition: kvBytesPerPosition({ layers, kvHeads, headDim }, options.elementBytes),
    open(capacityBytes) {
      store = engine.kvStore({ layers, kvHeads, headDim, capacityBytes })
      const kv = createKvSequences(engine, store)
      const firstRegister = model * RUNNER_REGISTERS
      const runner = createModelRunner(engine, loaded.model, kv, {
        vocabularySize,
        hiddenSize,
        firstRegister,
        ranks: position.size,
      })
      return { store, kv, runner, model: loaded.model, firstRegister }
    },
    close() {
      if (store >= 0) engine.kvStoreFree(store)
      unloadModel(engine, loaded.plan)
      engine.clearCache()
    },
  }
}
