// How a cluster proves itself when it has loaded a model: the ranks' greedy answer to a fixed prompt equals that of one
// rank, or, where the model is too large for one, does not depend on how the prompt is cut into chunks. Either way every
// step of it has compared the hashes of all ranks. Runs on rank 0.

import { createHash } from "node:crypto"
import type { Checkpoint, NativeEngine } from "mlx-jaccl-rs"
import type { ModelConfig } from "./checkpoint/index.ts"
import { loadModelParts } from "./model-parts.ts"
import { answerProof, compareProofs, type MakeLoop, PROOF_CHUNK, PROOF_POSITIONS, type ProofAnswer } from "./proof.ts"
import type { ReferenceStore } from "./reference-store.ts"
import { createPrefixCache, createRecordWriter, createScheduler, createStepLoop } from "./scheduling/index.ts"

/** What a cluster shows for its proof. Plain data: it crosses frames. */
export interface Certificate {
  /** "one rank": equal to one rank's answer. "agreement": too large for one rank; the ranks agree, whatever the chunks. */
  readonly proof: "one rank" | "agreement"
  readonly ranks: number
  /** "cpu-avx2", "metal", ... */
  readonly backend: string
  readonly mlxVersion: string
  /** Hexadecimal, of the tokens of the answer. */
  readonly hash: string
  /** Tokens of the answer, and how many agree; fewer only where two tokens were as good as equally likely. */
  readonly tokens: number
  readonly agreeing: number
  /** Unix milliseconds. */
  readonly time: number
}

export interface CertificateOptions {
  readonly model: number
  readonly ranks: number
  readonly mlxVersion: string
  /** Tells models apart: checkpoint/model-signature.ts. */
  readonly signature: string
  readonly numeric: string
  readonly firstWeight: number
  readonly elementBytes: number
  readonly references: ReferenceStore
  /** Of all weights as they lie on disk. */
  readonly modelBytes: number
  readonly availableBytes: () => number
  readonly nowUs: () => number
}

/** Packed weights of one rank beside those of the group, with room for what else the host does. */
const MEMORY_MARGIN = 1.3

/**
 * The answer that one rank gives alone: remembered, or computed here over the whole model, or null where that does not
 * fit into this host's memory. Call it while no step of the group runs.
 */
export function referenceAnswer(
  engine: NativeEngine,
  checkpoint: Checkpoint,
  config: ModelConfig,
  options: CertificateOptions,
): ProofAnswer | null {
  const { signature, mlxVersion, numeric, references } = options
  const facts = JSON.stringify([signature, mlxVersion, engine.backend, numeric, PROOF_CHUNK, PROOF_POSITIONS])
  const key = createHash("sha256").update(facts).digest("hex")
  const known = references.read(key)
  if (known !== null) return known
  if (options.modelBytes * MEMORY_MARGIN > options.availableBytes()) return null
  const answer = answerAlone(engine, checkpoint, config, options)
  references.write(key, answer)
  return answer
}

function answerAlone(
  engine: NativeEngine,
  checkpoint: Checkpoint,
  config: ModelConfig,
  options: CertificateOptions,
): ProofAnswer {
  const { model, firstWeight, elementBytes, nowUs } = options
  const position = { rank: 0, size: 1 }
  const parts = loadModelParts(engine, checkpoint, config, { model, firstWeight, elementBytes, position })
  try {
    const { kv, runner } = parts.open(PROOF_KV_FACTOR * PROOF_POSITIONS * parts.kvBytesPerPosition)
    const makeLoop: MakeLoop = (chunks, emit) => {
      const records = createRecordWriter(model, emit, nowUs)
      const { vocabularySize, contextLength } = config
      const schedulerOptions = { model, epoch: 0, vocabularySize, contextLength, maxRunning: 1, ...chunks }
      const scheduler = createScheduler(schedulerOptions, kv, createPrefixCache(kv), records, nowUs)
      return { scheduler, loop: createStepLoop(scheduler, runner, { lookAhead: false, nowUs, onError: rethrow }) }
    }
    return answerProof(makeLoop, config.vocabularySize, model, PROOF_CHUNK)
  } finally {
    parts.close()
  }
}

/** Whole blocks, and GPU slots of at least 256 positions. */
const PROOF_KV_FACTOR = 8

export function rethrow(error: unknown): never {
  throw error
}

/** Throws EngineError where the ranks' answer is not that of one rank, or depends on the chunks. */
export function certify(
  engine: NativeEngine,
  makeLoop: MakeLoop,
  reference: ProofAnswer | null,
  vocabularySize: number,
  options: CertificateOptions,
): Certificate {
  const { ranks, mlxVersion, model } = options
  const got = answerProof(makeLoop, vocabularySize, model, PROOF_CHUNK)
  const over = `over ${ranks} ranks`
  const agreeing =
    reference === null
      ? compareProofs(answerProof(makeLoop, vocabularySize, model, PROOF_POSITIONS), got, [
          "with the prompt in one piece",
          "in chunks",
        ])
      : compareProofs(reference, got, ["on one", over])
  return {
    proof: reference === null ? "agreement" : "one rank",
    ranks,
    backend: engine.backend,
    mlxVersion,
    hash: createHash("sha256").update(Int32Array.from(got.tokens)).digest("hex"),
    tokens: got.tokens.length,
    agreeing,
    time: Date.now(),
  }
}
