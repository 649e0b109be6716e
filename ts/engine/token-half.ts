// The token half of the engine: commands in, records and notices out, models in between. Runs on the thread that owns
// MLX (worker.ts gives it the rings). Knows no thread and no ring.

import type { Checkpoint, NativeEngine } from "mlx-jaccl-rs"
import { type ModelFiles, modelSignature, openModelFiles } from "./checkpoint/index.ts"
import { createCollectiveMeter } from "./collective-meter.ts"
import type { SpeculationStatus } from "./generation.ts"
import type { Command, GroupFacts, LinkNotice, LoadCommand, SubmitCommand, StepWork } from "./link.ts"
import { createMemoryMeter } from "./memory-meter.ts"
import type { KvFiles } from "./kv-files/index.ts"
import { kvOrigin } from "./kv-origin.ts"
import { createLinkProber, runProbe } from "./link-prober.ts"
import {
  createModelInstance,
  type ModelInstance,
  type ModelInstanceOptions,
  type ProofFacts,
} from "./model-instance.ts"
import { PERSISTENT_REGISTERS } from "./models/index.ts"
import { isGroupLost, type RankPlace } from "./rank-place.ts"
import { createRecordWriter, RUNNER_REGISTERS } from "./scheduling/index.ts"
import type { OpenConstraint } from "./sampling/index.ts"
import type { StepLeader } from "./step-channel.ts"
import { speculationSum } from "./speculation-sum.ts"
import { modelOptions, type TokenHalfOptions } from "./token-half-options.ts"

/** For blocks that are being written. */
const KV_FILES_CLOSE_MS = 2000
/** Model instances at once: each has its own registers. */
const MAX_MODELS = Math.floor(PERSISTENT_REGISTERS / RUNNER_REGISTERS)

export interface TokenHalfDependencies {
  readonly engine: NativeEngine
  readonly openCheckpoint: (path: string) => Checkpoint
  /** Where KV outlives the process; null: nowhere. */
  readonly kvFiles: KvFiles | null
  readonly openGrammars: (files: ModelFiles) => OpenConstraint
  /** Free bytes of the host. */
  readonly hostAvailableBytes: () => number
  readonly emit: (words: Int32Array) => void
  readonly notify: (notice: LinkNotice) => void
  /** Monotonic microseconds. */
  readonly nowUs: () => number
  readonly mlxVersion?: string
  /** Where this is the first of several ranks. */
  readonly group?:
    | ({
        readonly place: RankPlace
        readonly leader: StepLeader
        /** What each rank last said of its collectives. */
        readonly ranks: () => StepWork["ranks"]
        readonly transport?: () => GroupFacts | undefined
      } & Pick<ProofFacts, "mlxVersion" | "references">)
    | undefined
}

export interface TokenHalf {
  /** False once a shutdown command has come. */
  readonly isOpen: boolean
  /** Takes a command. A load is done when the promise it returns resolves; it rejects when a rank is gone. */
  handle(command: Command): Promise<void> | null
  /** A request waits for its grammar or its KV: the next step may have something to do without any command. */
  readonly isPreparing: boolean
  /** One step of every model that has something to do. False when none had. */
  step(): boolean
  /** Saves and reads kept KV, a little. `isIdle`: no step was to be made. */
  keep(isIdle: boolean): void
  /** Measures a link between the ranks, if one is due and nothing runs. False: it did nothing. */
  probe(): boolean
  /** Tells the statistics. */
  report(): void
  close(): void
}

export function createTokenHalf(options: TokenHalfOptions, dependencies: TokenHalfDependencies): TokenHalf {
  const { engine, emit, notify, nowUs, group } = dependencies
  const models = new Map<number, ModelInstance>()
  /** Registers of the drafts, by the model that they draft for. */
  const draftRegisters = new Map<number, number>()
  const memory = createMemoryMeter(engine)
  const collectives = createCollectiveMeter(engine)
  const prober =
    group === undefined
      ? null
      : createLinkProber(
          group.place.size,
          (order) => {
            group.leader.send(order)
            return runProbe(engine, order)
          },
          (result) => notify({ type: "probe", result }),
        )
  let nextWeight = 0
  let epoch = 0
  let isOpen = true

  const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

  /** Free bytes for KV: of the GPU's own limit, where it has one, else of the host. */
  function availableBytes(): number {
    const { limitBytes, activeBytes } = engine.memory()
    const host = dependencies.hostAvailableBytes()
    return options.device === "gpu" && limitBytes > 0 ? Math.max(0, limitBytes - activeBytes) : host
  }

  /** Registers are numbered as models are: a draft takes the last that nobody has. */
  async function openDraft(model: number, path: string): Promise<NonNullable<ModelInstanceOptions["draft"]>> {
    const taken = new Set([model, ...models.keys(), ...draftRegisters.values()])
    const registers = Array.from({ length: MAX_MODELS }, (_, i) => MAX_MODELS - 1 - i).find((one) => !taken.has(one))
    if (registers === undefined) throw new Error(`Models and their drafts are ${MAX_MODELS} at most.`)
    const { config } = await openModelFiles(path)
    return { checkpoint: dependencies.openCheckpoint(path), config, registers }
  }

  function forget(model: number): void {
    models.get(model)?.close(true)
    models.delete(model)
    draftRegisters.delete(model)
  }

  async function load({ model, path, options: json }: LoadCommand): Promise<void> {
    let told = false
    try {
      if (model >= MAX_MODELS) throw new Error(`Model instances are numbered below ${MAX_MODELS}.`)
      forget(model)
      if ([...draftRegisters.values()].includes(model)) throw new Error(`Number ${model} is taken by a draft model.`)
      const own = modelOptions(json, options)
      const files = await openModelFiles(path)
      const { config, sizeBytes } = files
      const draft = own.speculate === "draft" && own.draftModel !== null ? await openDraft(model, own.draftModel) : null
      const ownEpoch = epoch++
      const signature = group === undefined ? "" : await modelSignature(path)
      group?.leader.send({ kind: "load", model, path, signature, epoch: ownEpoch })
      told = true
      const created = createModelInstance(engine, dependencies.openCheckpoint(path), config, {
        ...own,
        model,
        draft,
        epoch: ownEpoch,
        firstWeight: nextWeight,
        elementBytes: options.device === "cpu" ? 4 : 2,
        lookAhead: options.lookAhead,
        keep:
          dependencies.kvFiles === null
            ? null
            : { files: dependencies.kvFiles, origin: await kvOrigin(path, engine, options) },
        warmChunk: options.device === "gpu",
        availableBytes,
        emit,
        nowUs,
        openConstraint: dependencies.openGrammars(files),
        group:
          group === undefined
            ? undefined
            : {
                size: group.place.size,
                weights: group.place.weights,
                leader: group.leader,
                proof: { ...group, signature, numeric: options.numeric, modelBytes: sizeBytes },
              },
        onError: (error) => notify({ type: "step_failed", model, message: messageOf(error) }),
      })
      nextWeight = created.nextWeight
      if (draft !== null) draftRegisters.set(model, draft.registers)
      models.set(model, created.instance)
      // What runs at once keeps the links from being idle: they are measured before it.
      while (prober?.probe(nowUs()) === true);
      const { mlxVersion } = dependencies
      const facts = { ...created.instance.facts, mlxVersion, group: group?.transport?.() }
      notify({ type: "loaded", model, facts })
    } catch (error) {
      // A rank that is gone is not the model's fault: the group ends and starts anew.
      if (isGroupLost(error)) throw error
      if (told) group?.leader.send({ kind: "unload", model })
      notify({ type: "load_failed", model, message: messageOf(error) })
    }
  }

  function submit(command: SubmitCommand): void {
    const instance = models.get(command.model)
    if (instance === undefined) createRecordWriter(command.model, emit, nowUs).error(command, "model_not_found")
    else instance.scheduler.submit(command)
  }

  return {
    get isOpen() {
      return isOpen
    },
    get isPreparing() {
      return [...models.values()].some(({ scheduler, disk }) => scheduler.isPreparing || disk?.isBusy === true)
    },
    handle(command) {
      switch (command.kind) {
        case "submit":
          submit(command)
          break
        case "cancel":
          for (const { scheduler } of models.values()) scheduler.cancel(command.slot, command.generation)
          break
        case "load":
          return load(command)
        case "unload":
          if (models.has(command.model)) group?.leader.send({ kind: "unload", model: command.model })
          forget(command.model)
          break
        case "shutdown":
          isOpen = false
          break
      }
      return null
    },
    step() {
      let worked = false
      for (const { loop } of models.values()) if (loop.step()) worked = true
      return worked
    },
    keep(isIdle) {
      for (const { disk } of models.values()) disk?.work(isIdle)
    },
    probe: () => prober?.probe(nowUs()) ?? false,
    report() {
      let [running, waiting, kvBytesUsed, kvBytesTotal, steps, busyUs] = [0, 0, 0, 0, 0, 0]
      let speculation: SpeculationStatus | null = null
      for (const instance of models.values()) {
        const { scheduler, loop } = instance
        const use = instance.kvUse()
        running += scheduler.running
        waiting += scheduler.waiting
        kvBytesUsed += use.bytesUsed
        kvBytesTotal += use.bytesTotal
        speculation = speculationSum(speculation, instance.speculation())
        steps += loop.steps
        busyUs += loop.steps * loop.stepUsMean
      }
      const stepUs = [...models.values()].flatMap(({ loop }) => loop.takeStepTimes())
      const stepUsMean = steps === 0 ? 0 : busyUs / steps
      notify({
        type: "statistics",
        statistics: {
          running,
          waiting,
          kvBytesUsed,
          kvBytesTotal,
          steps,
          stepUsMean,
          ...memory(),
          work: {
            stepUs,
            ...collectives.take(),
            ...(group === undefined ? {} : { plans: { ...group.leader.plans }, ranks: group.ranks() }),
          },
          speculation,
        },
      })
    },
    close() {
      isOpen = false
      for (const instance of models.values()) instance.close(false)
      models.clear()
      dependencies.kvFiles?.close(KV_FILES_CLOSE_MS)
      try {
        group?.leader.send({ kind: "end" })
      } catch {
        // The others are gone already.
      }
      engine.close()
    },
  }
}
