// A draft model beside a loaded one: its weights, its KV memory and the proposer over both. It runs on the first rank
// alone, whole: what it proposes comes to the other ranks as rows of the step plans.

import type { Checkpoint, NativeEngine } from "mlx-jaccl-rs"
import type { ModelConfig } from "./checkpoint/index.ts"
import { loadModelParts, type ModelPartsOptions } from "./model-parts.ts"
import { createDraftProposer, type DraftOptions, type Proposer } from "./speculation/index.ts"

/** An opened checkpoint of a draft model. */
export interface DraftFiles {
  readonly checkpoint: Checkpoint
  readonly config: ModelConfig
}

export interface DraftModel {
  readonly weightBytes: number
  readonly nextWeight: number
  readonly kvBytesPerPosition: number
  /** With KV memory for so many positions. Once. */
  open(positions: number, options: Pick<DraftOptions, "targetVocabularySize" | "catchUpTokens">): OpenDraft
  close(): void
}

export interface OpenDraft {
  readonly proposer: Proposer
  kvUse(): { readonly bytesUsed: number; readonly bytesTotal: number }
}

/** Throws EngineError "model_unreadable"; then nothing is left behind. */
export function loadDraftModel(
  engine: NativeEngine,
  { checkpoint, config }: DraftFiles,
  options: Pick<ModelPartsOptions, "model" | "firstWeight" | "elementBytes">,
): DraftModel {
  const parts = loadModelParts(engine, checkpoint, config, { ...options, position: { rank: 0, size: 1 } })
  return {
    weightBytes: parts.weightBytes,
    nextWeight: parts.nextWeight,
    kvBytesPerPosition: parts.kvBytesPerPosition,
    open(positions, more) {
      const { kv, model, firstRegister } = parts.open(positions * parts.kvBytesPerPosition)
      const { vocabularySize, contextLength } = config
      const proposer = createDraftProposer(engine, model, kv, { firstRegister, vocabularySize, contextLength, ...more })
      return { proposer, kvUse: () => kv.use() }
    },
    close: () => parts.close(),
  }
}
