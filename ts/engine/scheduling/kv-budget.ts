// How much memory KV may take: bounded by what the sequences could use and by what the machine can spare.

import type { ModelConfig } from "../checkpoint/index.ts"

export interface KvBudgetInput {
  readonly config: Pick<ModelConfig, "layers" | "kvHeads" | "headDim">
  readonly contextLength: number
  readonly maxRunning: number
  /** 4 on a CPU (f32), 2 on a GPU. */
  readonly elementBytes: number
  /** Bytes of a position beside the model's own: those of a draft model. */
  readonly draftBytesPerPosition: number
  /** Free memory of the host, or of the GPU, with the weights loaded. */
  readonly availableBytes: number
}

/** Full contexts, and positions in all, beyond which more KV memory would mostly lie unused. */
const FULL_CONTEXTS = 4
const POSITIONS = 2 ** 16
/** The rest is for transients, other processes and the page cache. */
const SHARE_OF_AVAILABLE = 0.5
/** Positions without which nothing useful runs. */
const LEAST_POSITIONS = 512

export function kvBytesPerPosition(config: KvBudgetInput["config"], elementBytes: number): number {
  return 2 * config.layers * config.kvHeads * config.headDim * elementBytes
}

/** Bytes: min(wanted, half of what is available), where wanted is max(4 contexts, 65,536 positions), at most a context
 * for each running sequence. */
export function kvBudget(input: KvBudgetInput): number {
  const { contextLength, maxRunning, availableBytes } = input
  const wanted = Math.min(maxRunning * contextLength, Math.max(FULL_CONTEXTS * contextLength, POSITIONS))
  const each = kvBytesPerPosition(input.config, input.elementBytes) + input.draftBytesPerPosition
  const spare = Math.floor((availableBytes * SHARE_OF_AVAILABLE) / each)
  return Math.max(LEAST_POSITIONS, Math.min(wanted, spare)) * each
}
