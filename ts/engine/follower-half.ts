// The token half of every rank but the first: does what rank 0 says, in its order. Knows no queue, no record, no client.

import type { Checkpoint, NativeEngine } from "mlx-jaccl-rs"
import { modelSignature, openModelFiles } from "./checkpoint/index.ts"
import { createCollectiveMeter } from "./collective-meter.ts"
import { EngineError } from "./errors.ts"
import type { LinkNotice } from "./link.ts"
import { createMemoryMeter } from "./memory-meter.ts"
import { runProbe } from "./link-prober.ts"
import { loadModelParts, type ModelParts, type OpenModel } from "./model-parts.ts"
import { localPath, type RankPlace } from "./rank-place.ts"
import type { StepPlan } from "./scheduling/index.ts"
import type { StepFollower, StepMessage } from "./step-channel.ts"

export interface FollowerDependencies {
  readonly engine: NativeEngine
  readonly place: RankPlace
  readonly follower: StepFollower
  readonly elementBytes: number
  readonly openCheckpoint: (path: string) => Checkpoint
  readonly notify: (notice: LinkNotice) => void
}

export interface FollowerHalf {
  /** False once rank 0 has ended. */
  readonly isOpen: boolean
  /** Waits for the next message and does it. False when none came in time. Throws when this rank cannot follow. */
  follow(timeoutMs: number): Promise<boolean>
  /** Tells the memory figures of this rank. */
  report(): void
  close(): void
}

/** Reading a step that has ended takes less. */
const STILL_RUNNING_MS = 0.1

interface Followed {
  readonly parts: ModelParts
  readonly epoch: number
  open: OpenModel | null
  /** The step that runs; read when the next one is submitted. */
  unread: StepPlan | null
  /** It has masked rows, and is not sampled yet. */
  waitsForMasks: boolean
  nextStep: number
}

export function createFollowerHalf(dependencies: FollowerDependencies): FollowerHalf {
  const { engine, place, follower, notify } = dependencies
  const models = new Map<number, Followed>()
  const memory = createMemoryMeter(engine)
  const collectives = createCollectiveMeter(engine)
  let nextWeight = 0
  let steps = 0
  let isOpen = true

  const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

  async function load({ model, path: given, signature, epoch }: StepMessage & { kind: "load" }): Promise<void> {
    unload(model)
    const path = localPath(given, place.folders)
    try {
      const { config } = await openModelFiles(path).catch((error: unknown) => {
        throw new EngineError("model_unreadable", `${messageOf(error)} Run mlx-cluster sync.`, { cause: error })
      })
      if ((await modelSignature(path)) !== signature) {
        throw new EngineError("model_unreadable", `${path} is not the model that rank 0 has. Run mlx-cluster sync.`)
      }
      const options = { model, firstWeight: nextWeight, elementBytes: dependencies.elementBytes, position: place }
      const parts = loadModelParts(engine, dependencies.openCheckpoint(path), config, options)
      nextWeight = parts.nextWeight
      models.set(model, { parts, epoch, open: null, unread: null, waitsForMasks: false, nextStep: 0 })
      follower.answer(null)
    } catch (error) {
      follower.answer(messageOf(error))
    }
  }

  function unload(model: number): void {
    models.get(model)?.parts.close()
    models.delete(model)
  }

  function find(model: number): Followed {
    const found = models.get(model)
    if (found === undefined) throw new EngineError("internal", `Rank 0 names model ${model}, which is not loaded here.`)
    return found
  }

  function store({ model, positions }: StepMessage & { kind: "store" }): void {
    try {
      const { parts, ...rest } = find(model)
      const open = parts.open(positions * parts.kvBytesPerPosition)
      models.set(model, { ...rest, parts, open })
      follower.answer(null)
    } catch (error) {
      follower.answer(messageOf(error))
    }
  }

  function run(plan: StepPlan): void {
    const { wasThere } = follower
    const followed = find(plan.model)
    const { open, epoch } = followed
    // A loop over a model begins with step 0: there is one for the warm-up, then one for good.
    const isNext = plan.step === followed.nextStep || plan.step === 0
    if (open === null || plan.epoch !== epoch || !isNext) {
      const expected = `step ${followed.nextStep} of epoch ${epoch}`
      throw new EngineError("internal", `Rank 0 plans step ${plan.step} of epoch ${plan.epoch}, not ${expected}.`)
    }
    followed.nextStep = plan.step + 1
    open.kv.apply(plan.kvOperations)
    open.runner.submit(plan)
    steps++
    if (followed.unread !== null) {
      const beganMs = performance.now()
      open.runner.read(followed.unread)
      follower.judge(wasThere || performance.now() - beganMs > STILL_RUNNING_MS)
    }
    followed.unread = plan
    followed.waitsForMasks = plan.maskedRows.length > 0
  }

  function sample({ model, masks }: StepMessage & { kind: "masks" }): void {
    const { open, unread, waitsForMasks } = find(model)
    if (open === null || unread === null || !waitsForMasks)
      throw new EngineError("internal", "Rank 0 sends masks that no step waits for.")
    open.runner.sample(unread, masks)
    find(model).waitsForMasks = false
  }

  function settle(): void {
    for (const followed of models.values()) {
      if (followed.waitsForMasks) continue
      if (followed.unread !== null) followed.open?.runner.read(followed.unread)
      followed.unread = null
    }
  }

  return {
    get isOpen() {
      return isOpen
    },
    async follow(timeoutMs) {
      const message = follower.receive(timeoutMs)
      if (message === null) {
        settle()
        return false
      }
      switch (message.kind) {
        case "load":
          await load(message)
          break
        case "store":
          store(message)
          report()
          break
        case "unload":
          unload(message.model)
          break
        case "plan":
          run(message.plan)
          break
        case "masks":
          sample(message)
          break
        case "probe":
          settle()
          runProbe(engine, message)
          break
        case "end":
          isOpen = false
          break
      }
      return true
    },
    report,
    close() {
      isOpen = false
      for (const model of models.keys()) unload(model)
      engine.close()
    },
  }

  /** Scheduling is rank 0's: what is told of it here is nothing. */
  function report(): void {
    const none = { running: 0, waiting: 0, stepUsMean: 0, speculation: null }
    const uses = [...models.values()].flatMap(({ open }) => open?.kv.use() ?? [])
    const kvBytesUsed = uses.reduce((sum, use) => sum + use.bytesUsed, 0)
    const kvBytesTotal = uses.reduce((sum, use) => sum + use.bytesTotal, 0)
    const work = { stepUs: [], ...collectives.take(), plans: { ...follower.plans } }
    const statistics = { ...none, kvBytesUsed, kvBytesTotal, steps, ...memory(), work }
    notify({ type: "statistics", statistics })
  }
}
