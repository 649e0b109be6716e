// What the token half of the engine can be told, with its defaults. Plain data: it crosses threads and frames.

import { EngineError } from "./errors.ts"
import type { GroupLimits } from "./rank-place.ts"
import { type Device, platform } from "./platform.ts"

/** Of one model instance; a load command may bring other values. */
export interface ModelOptions {
  /** Bytes of KV memory; null: from the memory of the host and the size of the model (kv-budget.ts). */
  readonly kvBytes: number | null
  /** Positions a sequence may have; null: as many as the model was trained for. */
  readonly contextLength: number | null
  /** Sequences in the batch at most. */
  readonly maxRunning: number
  /** Prompt tokens a step at most. */
  readonly prefillChunk: number
  /** The same while other sequences decode; bounds the time that a prompt adds to their steps. */
  readonly interleavedChunk: number
  /**
   * Tokens are proposed and judged several a step: by n-grams of the text itself, or by a draft model. Changes no answer.
   */
  readonly speculate: "off" | "ngram" | "draft"
  /** Folder or file of the draft model: one of the same tokenizer. Needed by "draft", and without use otherwise. */
  readonly draftModel: string | null
}

export interface TokenHalfOptions extends ModelOptions, GroupLimits {
  readonly libmlxPath: string
  readonly shimPath: string
  /** JACCL's transport, opened only where a group goes over RDMA. */
  readonly jacclPath: string
  readonly device: Device
  /** "auto": own kernels on a CPU; "mlx": MLX's operations everywhere, the reference. */
  readonly executor: "auto" | "mlx"
  /** Activations of quantized products on a CPU. */
  readonly numeric: "int8x2" | "fp32" | "int8"
  readonly isa: "auto" | "scalar" | "avx2" | "avx512" | "neon"
  /** 0: the cores this process may use. */
  readonly threads: number
  /** MLX's cache of freed buffers; null: the device's default. */
  readonly cacheLimitBytes: number | null
  /** Step n + 1 is submitted before token n is read. */
  readonly lookAhead: boolean
  /** Where rank 0 of several keeps what it needs to prove them (reference-store.ts); null: nowhere. */
  readonly referenceFolder: string | null
  /** Where the prefix cache keeps KV beyond the life of the process; null: nowhere. Of a model on one rank only. */
  readonly prefixCacheFolder: string | null
  /** Its files at most. */
  readonly prefixCacheDiskBytes: number
}

/** Some 180,000 positions of a model of 135 million parameters, 60,000 of one of eight billion. */
const PREFIX_CACHE_DISK_BYTES = 8 * 2 ** 30

const SPECULATE: readonly unknown[] = ["off", "ngram", "draft"] satisfies readonly ModelOptions["speculate"][]

const LIMITS: Readonly<
  Record<Exclude<keyof ModelOptions, "speculate" | "draftModel">, readonly [least: number, most: number]>
> = {
  kvBytes: [2 ** 20, 2 ** 50],
  contextLength: [16, 2 ** 24],
  maxRunning: [1, 1024],
  prefillChunk: [1, 2 ** 16],
  interleavedChunk: [1, 2 ** 16],
}

export function tokenHalfOptions(given: Partial<TokenHalfOptions> = {}): TokenHalfOptions {
  const { libmlxPath, shimPath, jacclPath, device } = platform()
  const prefillChunk = given.prefillChunk ?? (device === "cpu" ? 512 : 2048)
  const options: TokenHalfOptions = {
    libmlxPath,
    shimPath,
    jacclPath,
    device,
    executor: "auto",
    numeric: "int8x2",
    isa: "auto",
    threads: 0,
    cacheLimitBytes: null,
    lookAhead: true,
    referenceFolder: null,
    prefixCacheFolder: null,
    prefixCacheDiskBytes: PREFIX_CACHE_DISK_BYTES,
    leaseMs: null,
    stuckMs: null,
    kvBytes: null,
    contextLength: null,
    maxRunning: 32,
    prefillChunk,
    interleavedChunk: Math.min(prefillChunk, device === "cpu" ? 128 : 512),
    speculate: "off",
    draftModel: null,
    ...given,
  }
  checkModelOptions(options)
  return options
}

function checkModelOptions(options: ModelOptions): void {
  for (const [name, [least, most]] of Object.entries(LIMITS)) {
    const value: unknown = Reflect.get(options, name)
    if (value === null && (name === "kvBytes" || name === "contextLength")) continue
    if (Number.isInteger(value) && Number(value) >= least && Number(value) <= most) continue
    throw new EngineError("invalid_request", `${name} is not an integer between ${least} and ${most}.`, { param: name })
  }
  if (options.draftModel !== null && typeof options.draftModel !== "string")
    throw new EngineError("invalid_request", "draftModel is no path.", { param: "draftModel" })
  if (options.speculate === "draft" && options.draftModel === null)
    throw new EngineError("invalid_request", "Speculation by a draft model needs one: give --draft-model.", {
      param: "draftModel",
    })
  if (!SPECULATE.includes(options.speculate))
    throw new EngineError("invalid_request", `speculate is none of ${SPECULATE.join(", ")}.`, { param: "speculate" })
}

/** The options of a load command (JSON, "" for none) over the defaults. */
export function modelOptions(json: string, defaults: ModelOptions): ModelOptions {
  let given: unknown
  try {
    given = json === "" ? {} : JSON.parse(json)
  } catch (cause) {
    throw new EngineError("invalid_request", "The options of a load command are not JSON.", { cause })
  }
  if (typeof given !== "object" || given === null) {
    throw new EngineError("invalid_request", "The options of a load command are not an object.")
  }
  const options = { ...defaults }
  for (const name of [...Object.keys(LIMITS), "speculate", "draftModel"]) {
    const value: unknown = Reflect.get(given, name)
    if (value !== undefined) Reflect.set(options, name, value)
  }
  checkModelOptions(options)
  return options
}
