// EngineLink: how the text half (in the front) speaks to the token half (in the rank process, or in a worker of the
// same process). Two implementations: over the rings (rings/ring-link.ts) and over frames of an opaque byte port
// (frame-link.ts). Commands and records have one binary form each for both.

import type { Certificate } from "./certificate.ts"
import type { LinkProbeResult } from "./link-prober.ts"
import type { SamplingParameters, SpeculationStatus } from "./generation.ts"

/** One choice of one request. */
export interface SubmitCommand {
  readonly kind: "submit"
  readonly slot: number
  readonly generation: number
  /** Number of the model instance. */
  readonly model: number
  readonly promptIds: Int32Array
  /** Tokens that the answer will probably have, for speculation; absent: nothing is predicted. */
  readonly predictionIds?: Int32Array
  readonly sampling: SamplingParameters
  /** Completion tokens at most, those already generated included. */
  readonly maxTokens: number
  /** So many ids at the end of promptIds are generated already (a replay): they are prefilled, not sampled again. */
  readonly resumed: number
  /** -1: no logprobs; else alternatives a token. */
  readonly logprobs: number
  readonly eosIds: readonly number[]
  /** What the answer must look like (text/answer-rule.ts), as JSON; absent: anything. */
  readonly rule?: string
  /** For fairness between clients. */
  readonly client: number
  /** Requests of other salts do not share its KV; absent: as "". */
  readonly salt?: string
}
export interface CancelCommand {
  readonly kind: "cancel"
  readonly slot: number
  readonly generation: number
}
export interface LoadCommand {
  readonly kind: "load"
  readonly model: number
  readonly path: string
  /** ModelOptions (token-half-options.ts), any of them, as JSON; "" for none. */
  readonly options: string
}
export interface UnloadCommand {
  readonly kind: "unload"
  readonly model: number
}
export interface ShutdownCommand {
  readonly kind: "shutdown"
}
export type Command = SubmitCommand | CancelCommand | LoadCommand | UnloadCommand | ShutdownCommand

/** Facts that come now and then, by message and not through the ring. */
export type LinkNotice =
  | { readonly type: "loaded"; readonly model: number; readonly facts: ModelFacts }
  | { readonly type: "load_failed"; readonly model: number; readonly message: string }
  /** A step failed on the device; its requests have got their error records. */
  | { readonly type: "step_failed"; readonly model: number; readonly message: string }
  /** A line for the operator. */
  | { readonly type: "note"; readonly message: string }
  /** The link between two ranks was measured. */
  | { readonly type: "probe"; readonly result: LinkProbeResult }
  | { readonly type: "statistics"; readonly statistics: TokenHalfStatistics }

/** What only the token half knows of a model it has loaded. */
export interface ModelFacts {
  readonly backend: string
  readonly threads: number
  readonly weightBytes: number
  readonly kvBytesTotal: number
  /** Positions that the KV memory can hold at once. */
  readonly kvPositions: number
  /** Positions of one sequence, prompt and completion, as the token half was told to allow. */
  readonly contextLength: number
  readonly loadMs: number
  /** How several ranks have proved that they compute the model rightly; null for one rank. */
  readonly certificate: Certificate | null
  readonly mlxVersion?: string | undefined
  /** Of several ranks. */
  readonly group?: GroupFacts | undefined
}

/** What the ranks exchange their sums over. */
export interface GroupFacts {
  /** "tcp", "jaccl-mesh", "jaccl-ring", "ring" or "nccl". */
  readonly backend: string
  /** Whether waits of the transport end when the group is lost; else only the end of the process helps. */
  readonly isGuarded: boolean
}

/** What the steps since the report before took. */
export interface StepWork {
  /** Microseconds of each step: what a token waits for. */
  readonly stepUs: readonly number[]
  /** Microseconds that each step spent in collectives, waiting for other ranks included; empty where nothing tells. */
  readonly collectiveUs: readonly number[]
  /** Of all steps so far. Bytes are those of this rank's operands. */
  readonly collectives: { readonly operations: number; readonly bytes: number; readonly microseconds: number }
  /** Of every rank's collectives so far, by rank; absent where there is one rank. */
  readonly ranks?: readonly { readonly collectiveUs: number }[] | undefined
  /** Of all step plans so far; absent where there is one rank. */
  readonly plans?: PlanTotals
}

/**
 * What mirroring the steps costs a rank itself, in microseconds of processor time, and whether it comes in time. Rank 0
 * encodes and sends; the others receive and decode.
 */
export interface PlanTotals {
  readonly plans: number
  readonly encodeUs: number
  readonly sendUs: number
  readonly decodeUs: number
  /** Plans that came while the step before them still ran here, or that waited already. */
  readonly inTime: number
  /** Plans that this rank had to wait for. A plan after an idle time is neither. */
  readonly late: number
}

export interface TokenHalfStatistics {
  readonly running: number
  readonly waiting: number
  readonly kvBytesUsed: number
  readonly kvBytesTotal: number
  readonly steps: number
  readonly stepUsMean: number
  readonly activeBytes: number
  readonly peakBytes: number
  readonly cacheBytes: number
  readonly weightBytes: number
  readonly work: StepWork
  /** Since the model was loaded; null: it does not speculate. */
  readonly speculation: SpeculationStatus | null
}

export type LinkState = "connecting" | "up" | "lost"

export interface EngineLink {
  readonly state: LinkState
  /** False: no room now; try again on the next onDrain. Nothing is lost. */
  send(command: Command): boolean
  /** Whole records (RECORD_WORDS words each), in order. The array is valid during the call only. */
  onRecords(listener: (words: Int32Array) => void): void
  onNotice(listener: (notice: LinkNotice) => void): void
  onState(listener: (state: LinkState) => void): void
  onDrain(listener: () => void): void
  close(): Promise<void>
}

/** A path for opaque bytes between two processes: ts/main.ts makes one of a control-plane connection. */
export interface BytePort {
  send(kind: number, body: Uint8Array): boolean
  onMessage(listener: (kind: number, body: Uint8Array) => void): void
  onState(listener: (state: LinkState) => void): void
  onDrain(listener: () => void): void
}
/** Kinds of BytePort messages; append-only. */
export const PortKind = { command: 1, records: 2, notice: 3 } as const
