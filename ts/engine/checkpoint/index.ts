// The door of ts/engine/checkpoint: what lies in a model's files.

export type { ModelConfig, MoeConfig, QuantizationConfig } from "./model-config.ts"
export { type ModelFiles, openModelFiles } from "./model-files.ts"
export { modelSignature } from "./model-signature.ts"
export type { GenerationDefaults, SpecialTokens } from "./tokenizer-facts.ts"
