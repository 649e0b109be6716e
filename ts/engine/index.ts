// The door of ts/engine.

export { type GenerationDefaults, type ModelConfig, type ModelFiles, openModelFiles } from "./checkpoint/index.ts"
export { createEngine, type EngineLimits, type EngineOptions } from "./engine.ts"
export type { EngineClock } from "./engine-clock.ts"
export { EngineError, type EngineErrorCode } from "./errors.ts"
export { createFrameLink, type LinkService, serveLink } from "./frame-link.ts"
export type {
  AnswerFormat,
  ChatMessage,
  ChatRole,
  Engine,
  EngineState,
  EngineStatus,
  FinishReason,
  GenerationEvent,
  GenerationHandle,
  GenerationRequest,
  CacheDivergence,
  GenerationTimes,
  DistributionShaping,
  LogitAdjustments,
  ModelInfo,
  Prompt,
  SamplingParameters,
  SpeculationStatus,
  TokenLogprob,
  ToolCall,
  ToolChoice,
  ToolDefinition,
  Usage,
} from "./generation.ts"
export type {
  BytePort,
  Command,
  EngineLink,
  LinkNotice,
  LinkState,
  GroupFacts,
  ModelFacts,
  PlanTotals,
  StepWork,
  TokenHalfStatistics,
} from "./link.ts"
export type { EngineModel } from "./model-sessions.ts"
export { createTextPool, type TextPool, type TextPoolOptions } from "./text/index.ts"
export { modelSignature } from "./checkpoint/index.ts"
export { type Device, type Platform } from "./platform.ts"
export {
  LINK_ROW_BYTES,
  type LinkBench,
  type LinkRound,
  type LinkRoundResult,
  openLinkBench,
} from "./link-bench.ts"
export type { RankTransport } from "./rank-place.ts"
export { createRankHost, type RankGroupPlace, type RankHost } from "./rank-host.ts"
export { RECORD_WORDS, RecordKind } from "./rings/index.ts"
export { type ModelOptions, type TokenHalfOptions, tokenHalfOptions } from "./token-half-options.ts"
