// What a caller asks of the engine and what it hears back: the types of the door. Knows no wire format.

import type { GenerationDefaults } from "./checkpoint/index.ts"
import type { EngineError } from "./errors.ts"
import type { StepWork } from "./link.ts"

export type ChatRole = "system" | "user" | "assistant" | "tool"

export interface ToolCall {
  readonly id: string
  readonly name: string
  /** JSON text of the arguments object. */
  readonly arguments: string
}

export interface ChatMessage {
  readonly role: ChatRole
  readonly content: string
  readonly name?: string
  readonly reasoning?: string
  readonly toolCalls?: readonly ToolCall[]
  readonly toolCallId?: string
}

export interface ToolDefinition {
  readonly name: string
  readonly description?: string
  /** JSON Schema of the arguments. */
  readonly parameters?: unknown
  readonly strict?: boolean
}

export type Prompt =
  | {
      readonly kind: "chat"
      readonly messages: readonly ChatMessage[]
      readonly tools?: readonly ToolDefinition[]
      /** Extra variables of the chat template, such as enable_thinking. */
      readonly templateOptions?: Readonly<Record<string, unknown>>
      /** The last message is an assistant's and is to be continued. */
      readonly continueFinalMessage?: boolean
    }
  /** `bare`: without the token that begins a text. `suffix`: what follows the answer; for models that fill in. */
  | { readonly kind: "text"; readonly text: string; readonly bare?: boolean; readonly suffix?: string }
  | { readonly kind: "tokens"; readonly ids: readonly number[] }

/** Definitions: crates/mlx-jaccl-rs/shim/opcodes.h (SampleWord). Temperature 0 is greedy. */
export interface SamplingParameters {
  readonly temperature: number
  readonly topP: number
  /** 0 is off. */
  readonly topK: number
  readonly minP: number
  /** What leaves out more than the tail of the distribution; absent: nothing. */
  readonly shaping?: DistributionShaping
  /** 64 bits. Equal seeds give equal tokens, alone or in any company. */
  readonly seed: bigint
  /** End-of-turn tokens do not end the answer (benchmarks). */
  readonly ignoreEos: boolean
  /** Changes to the model's logits before anything else; absent: none. */
  readonly adjustments?: LogitAdjustments
}

/** Definitions: crates/mlx-jaccl-rs/shim/opcodes.h (SampleWord). */
export interface DistributionShaping {
  /** Above 0; 1 is off. */
  readonly typicalP: number
  /** 0 is off. */
  readonly xtcProbability: number
  /** Above 0, at most 0.5. */
  readonly xtcThreshold: number
  /** Tokens that XTC never drops, besides those that end a turn. */
  readonly exemptIds: readonly number[]
}

/** Definitions and order: crates/mlx-jaccl-rs/shim/opcodes.h (AdjustWord). */
export interface LogitAdjustments {
  /** Above 0; 1 is off. For every token among the last `repetitionContext` tokens of prompt and answer. */
  readonly repetitionPenalty: number
  readonly repetitionContext: number
  /** For every token of the answer so far, once, and once an occurrence. */
  readonly presencePenalty: number
  readonly frequencyPenalty: number
  /** End-of-turn tokens cannot come before so many completion tokens. */
  readonly minTokens: number
  /** Added to the logit of a token. */
  readonly logitBias: readonly (readonly [id: number, bias: number])[]
}

/** What an answer must look like. `param`: name of the field that asks for it, for errors. */
export type AnswerFormat =
  /** JSON of a schema. Not strict: keywords that cannot be enforced are passed over. */
  | { readonly kind: "json"; readonly schema: unknown; readonly strict: boolean; readonly param: string }
  | { readonly kind: "regex"; readonly pattern: string; readonly param: string }
  | { readonly kind: "choice"; readonly choices: readonly string[]; readonly param: string }
  /** A grammar in llguidance's variant of Lark. */
  | { readonly kind: "lark"; readonly grammar: string; readonly param: string }

/** auto: the model decides; otherwise the answer is a call, of any tool or of the one named. */
export type ToolChoice = "auto" | "required" | { readonly name: string }

export interface GenerationRequest {
  readonly id: string
  /** Name of a loaded model instance. */
  readonly model: string
  readonly prompt: Prompt
  readonly sampling: SamplingParameters
  /** Completion tokens; null: as many as the context holds. */
  readonly maxTokens: number | null
  readonly stop: readonly string[]
  /** Tokens that end the answer beside the model's own, also where those do not. */
  readonly stopIds?: readonly number[]
  /** Tokens of thought after which the answer begins; absent: as many as the model likes. */
  readonly thinkingBudget?: number
  /** Of the answer itself: thoughts are free, and calls, where there are tools, may come in its place. */
  readonly answerFormat?: AnswerFormat
  readonly toolChoice?: ToolChoice
  /** False: one call at most. */
  readonly parallelCalls?: boolean
  /** How many answers. */
  readonly choices: number
  /** What the answer will probably say, in whole or in parts: it comes faster where it does, and is the same anyway. */
  readonly prediction?: string
  /** Log-probability of each token returned, with this many alternatives (0: the token alone). */
  readonly logprobs?: number
  /** Who is asking, for fairness between clients. */
  readonly client?: string
  /** The prefix cache knows a prompt only to requests of the same salt; absent: to all that have none. */
  readonly cacheSalt?: string
}

export type FinishReason = "stop" | "length" | "tool_calls"

/** One token of the text that an event carries. */
export interface TokenLogprob {
  readonly id: number
  readonly bytes: Uint8Array
  /** Natural logarithm, before temperature. */
  readonly logprob: number
  readonly top: readonly { readonly id: number; readonly bytes: Uint8Array; readonly logprob: number }[]
}

export interface Usage {
  readonly promptTokens: number
  /** Prompt tokens whose KV was found in the prefix cache. */
  readonly cachedTokens: number
  readonly completionTokens: number
  readonly reasoningTokens: number
  /** Tokens that speculation proposed and the model judged, and those of them that it took. Absent: none. */
  readonly draftedTokens?: number
  readonly acceptedTokens?: number
}

/** Milliseconds since the request came to the engine. */
export interface GenerationTimes {
  readonly queuedMs: number
  readonly prefillMs: number
  readonly firstTokenMs: number
  readonly totalMs: number
}

/** Where a prompt and what the prefix cache holds part ways. */
export interface CacheDivergence {
  /** Tokens that both have. */
  readonly at: number
  /** How the cache goes on (one token), and how the prompt does (some). */
  readonly cachedText: string
  readonly promptText: string
}

export type GenerationEvent =
  /** The prompt is tokenized; the request waits for its turn. */
  | { readonly type: "queued"; readonly promptTokens: number }
  /** Prefill has begun. */
  | { readonly type: "started"; readonly cachedTokens: number; readonly divergence?: CacheDivergence }
  /** Text of a choice. `tokens` counts the tokens that made it; logprobs only when asked. */
  | {
      readonly type: "text"
      readonly choice: number
      readonly text: string
      readonly tokens: number
      readonly logprobs?: readonly TokenLogprob[]
    }
  | { readonly type: "reasoning"; readonly choice: number; readonly text: string; readonly tokens: number }
  | {
      readonly type: "tool_call"
      readonly choice: number
      readonly index: number
      /** Present in the first event of a call only. */
      readonly id?: string
      readonly name?: string
      readonly argumentsDelta: string
    }
  | {
      readonly type: "finished"
      readonly choice: number
      readonly reason: FinishReason
      /** The stop string that was met. */
      readonly stop?: string
    }
  /** Last event of a request that went well: after every choice has finished. */
  | { readonly type: "done"; readonly usage: Usage; readonly times: GenerationTimes }
  /** Last event of a request that failed. */
  | { readonly type: "error"; readonly error: EngineError }

export type EngineState = "starting" | "loading" | "ready" | "lost" | "stopped"

export interface ModelInfo {
  readonly id: string
  /** Folder or file it was loaded from. */
  readonly path: string
  readonly family: string
  readonly contextLength: number
  readonly vocabularySize: number
  readonly parameters: number
  /** "4-bit", "bf16", ... */
  readonly quantization: string
  readonly sizeBytes: number
  /** Unix seconds of loading. */
  readonly loadedAt: number
  readonly capabilities: readonly string[]
  /** Sampling that the model's authors recommend, for requests that do not say; absent: nothing. */
  readonly defaults?: GenerationDefaults
}

export interface SpeculationStatus {
  /** A draft model, or n-grams of the prompt and the answer. */
  readonly kind: "draft" | "ngram"
  /** Tokens proposed and judged since the start, and those of them that the model took. */
  readonly proposedTokens: number
  readonly acceptedTokens: number
  /** Judgements: one a sequence and step. */
  readonly steps: number
  /** Tokens proposed in one of them, of late. */
  readonly depth: number
  /** Running sequences that are proposed for, and those for which it does not pay now; they are tried again later. */
  readonly active: number
  readonly resting: number
}

export interface EngineStatus {
  readonly state: EngineState
  /** What keeps it from being ready, for a person. */
  readonly detail: string
  readonly models: readonly ModelInfo[]
  readonly running: number
  readonly waiting: number
  /** Waiting and running requests at most. */
  readonly capacity: number
  /** Rank process generations so far, less one. */
  readonly restarts: number
  readonly kv: { readonly bytesUsed: number; readonly bytesTotal: number; readonly positionsTotal: number }
  /** Places on the way to the rank that answers hold, and answers that the rank works on. Both 0 where nothing runs. */
  readonly held: { readonly slots: number; readonly sequences: number }
  /** Null: tokens are not speculated on. */
  readonly speculation: SpeculationStatus | null
}

export interface GenerationHandle {
  /** Ends the request within a step; no event follows. */
  cancel(): void
}

/** The door of the text half: all that ts/http sees of generation. */
export interface Engine {
  status(): EngineStatus
  /**
   * Starts a request. Events come in order, in batches, on the caller's thread, never before submit returns; the last
   * one is "done" or "error".
   */
  submit(request: GenerationRequest, onEvents: (events: readonly GenerationEvent[]) => void): GenerationHandle
  /** Ids of a text or chat prompt, as submit would make them. */
  tokenize(model: string, prompt: Prompt): Promise<Int32Array>
  detokenize(model: string, ids: readonly number[]): Promise<string>
  onStatus(listener: (status: EngineStatus) => void): void
  /** What the steps of the token half took, now and then while it works. */
  onWork(listener: (work: StepWork) => void): void
  close(): Promise<void>
}
