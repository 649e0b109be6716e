// The door of ts/engine/models.

export {
  AdjustEntryWord,
  AdjustWord,
  CommandBuffer,
  HASH_PARTS,
  NONE,
  PERSISTENT_REGISTERS,
  SampleWord,
  type Register,
} from "./command-buffer.ts"
export type { Model } from "./family.ts"
export { headShare } from "./head-share.ts"
export { loadModel, unloadModel, type LoadedModel } from "./registry.ts"
export type { RankPosition, WeightPlan } from "./weight-plan.ts"
