// Entry of the engine worker (piscina): the one thread that owns MLX, from load to exit. A thin shell: it joins the
// rings to the token half and sleeps when there is nothing to do.

import type { MessagePort } from "node:worker_threads"
import type { Command, LinkNotice } from "./link.ts"
import { openKvFiles } from "./kv-files/index.ts"
import { createFollowerHalf, type FollowerHalf } from "./follower-half.ts"
import { joinRankGroup, type RankPlace } from "./rank-place.ts"
import { createCommandRingReader, createTokenRingWriter, decodeCommand } from "./rings/index.ts"
import { createReferenceStore } from "./reference-store.ts"
import { createStepFollower, createStepLeader } from "./step-channel.ts"
import { createTokenHalf } from "./token-half.ts"
import type { TokenHalfOptions } from "./token-half-options.ts"

export interface WorkerTask {
  readonly commandMemory: SharedArrayBuffer
  readonly tokenMemory: SharedArrayBuffer
  readonly port: MessagePort
  readonly options: TokenHalfOptions
  /** Where the model is split over several ranks; they find each other through the port. */
  readonly group: { readonly place: RankPlace; readonly port: MessagePort } | null
}

/** What comes over the port. */
export type WorkerMessage = LinkNotice | { readonly type: "up" }

const IDLE_MS = 1000
/** Nobody tells that a grammar is compiled or a file read. */
const PREPARING_MS = 1
const FULL_RING_MS = 20
const REPORT_US = 1_000_000

/** Returns after a shutdown command; rejects when MLX cannot be opened. */
export default async function run({ commandMemory, tokenMemory, port, options, group }: WorkerTask): Promise<void> {
  const { Checkpoint, Grammars, groupCounters, hostMemory, loadMlx, NativeEngine, threadCpuUs } = await import(
    "mlx-jaccl-rs"
  )
  const mlx = loadMlx(options.libmlxPath, options.shimPath)
  const { device, executor, threads, numeric, isa, cacheLimitBytes } = options
  const limit = cacheLimitBytes === null ? {} : { cacheLimitBytes }
  const engine = new NativeEngine({ device, executor, threads, numeric, isa, ...limit })

  const commands = createCommandRingReader(commandMemory)
  const records = createTokenRingWriter(tokenMemory)
  const nowUs = (): number => Math.round(performance.now() * 1000)
  if (group !== null) await joinRankGroup(engine, group.place, group.port, options.jacclPath, options)
  if (group !== null && group.place.rank > 0) {
    const follower = createFollowerHalf({
      engine,
      place: group.place,
      follower: createStepFollower(engine, threadCpuUs),
      elementBytes: device === "cpu" ? 4 : 2,
      openCheckpoint: (path) => new Checkpoint(path),
      notify: (notice) => port.postMessage(notice satisfies WorkerMessage),
    })
    port.postMessage({ type: "up" } satisfies WorkerMessage)
    await followUntilTheEnd(follower, commands).finally(() => port.close())
    return
  }
  const note = (message: string): void => port.postMessage({ type: "note", message } satisfies WorkerMessage)
  const { prefixCacheFolder: folder, prefixCacheDiskBytes } = options
  const half = createTokenHalf(options, {
    engine,
    kvFiles: folder === null ? null : await openKvFiles(folder, prefixCacheDiskBytes, note),
    openCheckpoint: (path) => new Checkpoint(path),
    openGrammars: ({ tokenizer: { kind, path }, eosIds, config }) => {
      const ends = Int32Array.from(eosIds)
      let grammars: InstanceType<typeof Grammars> | null = null
      return (rule, own, minTokens, tokens) => {
        grammars ??= new Grammars(kind === "gguf" ? new Checkpoint(path) : path, ends, config.vocabularySize)
        return grammars.open(rule, own, minTokens, tokens)
      }
    },
    hostAvailableBytes: () => hostMemory().availableBytes,
    emit: (words) => records.write(words),
    notify: (notice) => port.postMessage(notice satisfies WorkerMessage),
    nowUs,
    mlxVersion: mlx.version,
    group:
      group === null
        ? undefined
        : {
            place: group.place,
            leader: createStepLeader(engine, group.place.size, threadCpuUs),
            ranks: () => groupCounters()?.ranks.map(({ collectiveUs }) => ({ collectiveUs })),
            transport() {
              const counters = groupCounters()
              return counters === null ? undefined : { backend: counters.backend, isGuarded: counters.isGuarded }
            },
            mlxVersion: mlx.version,
            references: createReferenceStore(options.referenceFolder),
          },
  })
  port.postMessage({ type: "up" } satisfies WorkerMessage)

  let reportedUs = nowUs()
  let wasBusy = true
  try {
    while (half.isOpen) {
      const taken: Command[] = []
      commands.poll((body) => taken.push(decodeCommand(body)))
      for (const command of taken) {
        // Commands behind a load wait for it.
        const loading = half.handle(command)
        if (loading === null) continue
        await loading
        half.report()
      }
      const isRoom = records.flush()
      const worked = isRoom && half.step()
      records.flush()
      half.keep(!worked)
      // The last report of a busy time tells that it is over.
      if ((worked || wasBusy) && (!worked || nowUs() - reportedUs > REPORT_US)) {
        half.report()
        reportedUs = nowUs()
      }
      wasBusy = worked
      if (!isRoom) records.waitForRoom(FULL_RING_MS)
      else if (!worked && half.isOpen && !half.probe()) commands.wait(half.isPreparing ? PREPARING_MS : IDLE_MS)
    }
  } finally {
    half.close()
    records.flush()
    port.close()
  }
}

/** How long a follower sleeps before it looks for a command. */
const FOLLOW_MS = 250
/** Rank 0 is told to end too; what it has begun is finished with it. */
const FOLLOWER_END_MS = 2000

async function followUntilTheEnd(
  follower: FollowerHalf,
  commands: ReturnType<typeof createCommandRingReader>,
): Promise<void> {
  let endAt = Number.POSITIVE_INFINITY
  let reportedMs = performance.now()
  let wasBusy = true
  try {
    while (follower.isOpen && performance.now() < endAt) {
      const worked = await follower.follow(FOLLOW_MS)
      // As rank 0: once a second while there is work, and once when it is over.
      if ((worked || wasBusy) && (!worked || performance.now() - reportedMs > REPORT_US / 1000)) {
        follower.report()
        reportedMs = performance.now()
      }
      wasBusy = worked
      commands.poll((body) => {
        if (decodeCommand(body).kind === "shutdown") endAt = performance.now() + FOLLOWER_END_MS
      })
    }
  } catch (error) {
    // Rank 0 may be gone before this rank hears that all is over.
    if (endAt === Number.POSITIVE_INFINITY) throw error
  } finally {
    follower.close()
  }
}
