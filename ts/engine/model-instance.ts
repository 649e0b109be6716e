// One loaded model: its weights, KV store, scheduler and loop, from load to unload. Runs on the thread that owns MLX.

import type { Checkpoint, NativeEngine } from "mlx-jaccl-rs"
import type { ModelConfig } from "./checkpoint/index.ts"
import type { SpeculationStatus } from "./generation.ts"
import type { ModelFacts } from "./link.ts"
import type { KvFiles } from "./kv-files/index.ts"
import { certify, type CertificateOptions, referenceAnswer, rethrow } from "./certificate.ts"
import { loadModelParts, type ModelParts } from "./model-parts.ts"
import {
  createPrefixCache,
  createPrefixDisk,
  createRecordWriter,
  createScheduler,
  createStepLoop,
  kvBudget,
  kvBytesPerPosition,
  type PrefixCache,
  type PrefixDisk,
  type Scheduler,
  type SchedulerOptions,
  type StepLoop,
  type StepPlan,
} from "./scheduling/index.ts"
import { type MakeLoop, PROOF_POSITIONS } from "./proof.ts"
import { type DraftFiles, type DraftModel, loadDraftModel } from "./draft-model.ts"
import type { OpenConstraint } from "./sampling/index.ts"
import { createNgramProposer, createRoutedProposer, createSpeculator } from "./speculation/index.ts"
import type { StepLeader } from "./step-channel.ts"
import type { ModelOptions } from "./token-half-options.ts"

export interface ModelInstance {
  readonly scheduler: Scheduler
  readonly loop: StepLoop
  readonly facts: ModelFacts
  /** Null: its prefix cache is in memory only. */
  readonly disk: PrefixDisk | null
  /** Null: it does not speculate. */
  speculation(): SpeculationStatus | null
  kvUse(): { readonly bytesUsed: number; readonly bytesTotal: number }
  /** Whether open requests get an error record: see Scheduler.close. */
  close(tellRequests: boolean): void
}

/** What the proof of a group needs beside the model. */
export type ProofFacts = Pick<CertificateOptions, "mlxVersion" | "signature" | "numeric" | "references" | "modelBytes">

export interface ModelInstanceOptions extends ModelOptions {
  /** Number of the instance; names its registers too. */
  readonly model: number
  /** A draft model and the number that names its registers. */
  readonly draft: (DraftFiles & { readonly registers: number }) | null
  readonly epoch: number
  readonly firstWeight: number
  readonly elementBytes: number
  readonly lookAhead: boolean
  /** Where its KV outlives it, and what made that KV; null: nowhere. */
  readonly keep: { readonly files: KvFiles; readonly origin: Readonly<Record<string, string>> } | null
  /** A step of the whole chunk size is compiled by the warm-up too (GPU). */
  readonly warmChunk: boolean
  /** Free bytes for KV, asked when the weights are loaded. */
  readonly availableBytes: () => number
  readonly emit: (words: Int32Array) => void
  readonly nowUs: () => number
  readonly onError: (error: unknown) => void
  /** Grammars of this model. */
  readonly openConstraint: OpenConstraint
  /** Where the model is split over ranks that follow this one, which have been told to load it. */
  readonly group?:
    | {
        readonly size: number
        readonly weights?: readonly number[] | undefined
        readonly leader: StepLeader
        readonly proof: ProofFacts
      }
    | undefined
}

/** Throws EngineError "model_unreadable" where the files cannot be used; then nothing is left behind. */
export function createModelInstance(
  engine: NativeEngine,
  checkpoint: Checkpoint,
  config: ModelConfig,
  options: ModelInstanceOptions,
): { readonly instance: ModelInstance; readonly nextWeight: number } {
  const { model, maxRunning, elementBytes, nowUs, onError, lookAhead, group, firstWeight } = options
  const begunUs = nowUs()
  function loadOwnParts(): ModelParts {
    const position = { rank: 0, size: group?.size ?? 1, weights: group?.weights }
    try {
      return loadModelParts(engine, checkpoint, config, { model, firstWeight, elementBytes, position })
    } catch (error) {
      // The others answer all the same, and the next load must not take their answers for its own.
      try {
        group?.leader.confirm()
      } catch {
        // What is wrong here is told.
      }
      throw error
    }
  }
  const parts = loadOwnParts()
  let draft: DraftModel | null = null
  try {
    group?.leader.confirm()
    const { vocabularySize } = config
    const contextLength = options.contextLength ?? config.contextLength
    const proof: CertificateOptions | null =
      group === undefined || contextLength < PROOF_POSITIONS
        ? null
        : { ...options, ...group.proof, ranks: group.size, firstWeight: parts.nextWeight }
    // Before the draft model and the group's KV memory are there.
    const reference = proof === null ? null : referenceAnswer(engine, checkpoint, config, proof)
    if (options.draft !== null) {
      const { registers } = options.draft
      draft = loadDraftModel(engine, options.draft, { model: registers, firstWeight: parts.nextWeight, elementBytes })
    }
    const draftBytesPerPosition = draft?.kvBytesPerPosition ?? 0
    const availableBytes = options.availableBytes()
    const capacityBytes =
      options.kvBytes ??
      kvBudget({ config, contextLength, maxRunning, elementBytes, draftBytesPerPosition, availableBytes })
    // In positions, so that every rank's memory, and the draft's, is full at the same step. The budget is that of all heads.
    const positions = Math.floor(capacityBytes / (kvBytesPerPosition(config, elementBytes) + draftBytesPerPosition))
    const isAlone = group === undefined && draft === null
    const { store, kv, runner } = parts.open(isAlone ? capacityBytes : positions * parts.kvBytesPerPosition)
    if (group !== undefined) {
      group.leader.send({ kind: "store", model, positions })
      group.leader.confirm()
    }
    const mirror = group === undefined ? undefined : (plan: StepPlan) => group.leader.send({ kind: "plan", plan })
    const mirrorMasks =
      group === undefined
        ? undefined
        : (_: StepPlan, masks: Int32Array) => group.leader.send({ kind: "masks", model, masks })
    const schedulerOptions = { ...options, vocabularySize, contextLength }
    const cache = createPrefixCache(kv)
    const catchUpTokens = options.interleavedChunk
    const openDraft = draft?.open(positions, { targetVocabularySize: vocabularySize, catchUpTokens }) ?? null
    const proposer = createRoutedProposer(
      openDraft?.proposer ?? (options.speculate === "ngram" ? createNgramProposer() : null),
    )
    const makeLoop = (
      emit: (words: Int32Array) => void,
      failed: (error: unknown) => void,
      changed: Partial<SchedulerOptions> = {},
      kept: PrefixCache = cache,
    ) => {
      const records = createRecordWriter(model, emit, nowUs)
      const speculator = createSpeculator(proposer, nowUs, failed)
      const own = { ...schedulerOptions, ...changed }
      const scheduler = createScheduler(own, kv, kept, records, nowUs, speculator, options.openConstraint)
      const loop = createStepLoop(scheduler, runner, { lookAhead, nowUs, onError: failed, mirror, mirrorMasks })
      return { scheduler, loop, speculator }
    }

    const rehearsal = makeLoop(() => {}, rethrow)
    for (const length of options.warmChunk ? [WARM_UP_TOKENS, options.prefillChunk] : [WARM_UP_TOKENS]) {
      rehearse(rehearsal.scheduler, rehearsal.loop, schedulerOptions, length)
    }
    const makeProofLoop: MakeLoop = (chunks, emit) => {
      cache.clear()
      return makeLoop(emit, rethrow, chunks)
    }
    const certificate = proof === null ? null : certify(engine, makeProofLoop, reference, vocabularySize, proof)
    cache.clear()
    engine.clearCache()

    const { kvHeads, layers, headDim } = config
    const disk =
      options.keep === null
        ? null
        : createPrefixDisk(engine, options.keep.files, kv, cache, {
            origin: options.keep.origin,
            shape: { layers, kvHeads, headDim },
            nowUs,
          })
    const { scheduler, loop, speculator } = makeLoop(options.emit, onError, {}, disk?.cache)
    const use = engine.kvStats(store)
    const kvUse = () => {
      const [own, drafts] = [kv.use(), openDraft?.kvUse() ?? { bytesUsed: 0, bytesTotal: 0 }]
      return { bytesUsed: own.bytesUsed + drafts.bytesUsed, bytesTotal: own.bytesTotal + drafts.bytesTotal }
    }
    const facts: ModelFacts = {
      backend: engine.backend,
      threads: engine.threads,
      weightBytes: parts.weightBytes + (draft?.weightBytes ?? 0),
      kvBytesTotal: kvUse().bytesTotal,
      kvPositions: use.blocksTotal * use.blockPositions,
      contextLength,
      loadMs: (nowUs() - begunUs) / 1000,
      certificate,
    }
    const instance: ModelInstance = {
      scheduler,
      loop,
      facts,
      disk,
      speculation() {
        const { status } = speculator
        return options.speculate === "off" && status.steps === 0 ? null : status
      },
      kvUse,
      close(tellRequests) {
        disk?.close()
        scheduler.close(tellRequests)
        proposer.close()
        draft?.close()
        parts.close()
      },
    }
    return { instance, nextWeight: draft?.nextWeight ?? parts.nextWeight }
  } catch (error) {
    draft?.close()
    parts.close()
    throw error
  }
}

/** Long enough to be a prompt, short enough to cost nothing. */
const WARM_UP_TOKENS = 8

/** Runs a prompt of any tokens for two steps, so that no client pays for what is set up on first use. */
function rehearse(scheduler: Scheduler, loop: StepLoop, options: SchedulerOptions, length: number): void {
  const count = Math.min(length, options.contextLength - 3)
  scheduler.submit({
    kind: "submit",
    slot: 0,
    generation: 0,
    model: options.model,
    promptIds: Int32Array.from({ length: count }, (_, i) => i % options.vocabularySize),
    sampling: { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 0n, ignoreEos: true },
    maxTokens: 2,
    resumed: 0,
    logprobs: -1,
    eosIds: [],
    client: 0,
  })
  while (loop.step());
}
