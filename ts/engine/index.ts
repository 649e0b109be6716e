// The door of ts/engine.

export { type GenerationDefaults, type ModelConfig, type ModelFiles, openModelFiles } from "./checkpoint/index.ts"
export { ENGINE_ERRORS, EngineError, type EngineErrorCode } from "./errors.ts"
export type {
  ChatMessage,
  ChatRole,
  Engine,
  EngineState,
  EngineStatus,
  FinishReason,
  GenerationEvent,
  GenerationHandle,
  GenerationRequest,
  GenerationTimes,
  ModelInfo,
  Prompt,
  SamplingParameters,
  TokenLogprob,
  ToolCall,
  ToolDefinition,
  Usage,
} from "./generation.ts"
export type { BytePort, Command, EngineLink, LinkNotice, LinkState, ModelFacts, TokenHalfStatistics } from "./link.ts"
