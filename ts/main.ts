// The composition root: joins engine, control and http into a server. The only file that knows them all. Flags are
// ts/cli's; the rank process is rank.ts.

import { availableParallelism, homedir } from "node:os"
import { join, resolve } from "node:path"
import { type Backend, type Hostfile, loadSecret, RANK_STOP_GRACE_MS, readHostfile } from "./control/index.ts"
import {
  createEngine,
  createTextPool,
  type ModelFiles,
  openModelFiles,
  type TokenHalfOptions,
  tokenHalfOptions,
} from "./engine/index.ts"
import { checkDraftModel } from "./draft-model.ts"
import { createLogStore, createServer, type Server, type ServerOptions } from "./http/index.ts"
import { keepHeapSmall } from "./front-heap.ts"
import type { Isolation } from "./isolation.ts"
import { locateModel } from "./model-location.ts"
import { FAST_SYNCH, type ProcessIsolationOptions, startProcessIsolation } from "./process-isolation.ts"
import { PROGRAM_FOLDER, programVersion } from "./program.ts"
import type { RankOptions } from "./rank.ts"
import { rankLayout, rankPlaceOptions } from "./rank-layout.ts"
import { type Signals, watchSignals } from "./signals.ts"
import { StartError } from "./start-error.ts"
import { startThreadIsolation } from "./thread-isolation.ts"

export { StartError } from "./start-error.ts"

export interface ServeOptions {
  /** A path, "tiny", or an id in the models folder. Default: the starter model. */
  readonly model?: string | undefined
  /** A smaller model of the same tokenizer, found as `model` is, that proposes tokens. Default: none. */
  readonly draftModel?: string | undefined
  /** Default: models/ beside this program. */
  readonly modelsFolder?: string | undefined
  /** Default: hostfile.json beside this program. */
  readonly hostfile?: string | undefined
  /** Configuration file for ssh to the other hosts. Default: the user's own. */
  readonly sshConfig?: string | undefined
  /** Where the other hosts' ranks reach the front. Default: a free port. */
  readonly controlPort?: number | undefined
  /** Which way the ranks' collectives go. Default: JACCL where the hostfile names cables, else TCP. */
  readonly transport?: Backend | undefined
  /** Sets MLX_METAL_FAST_SYNCH for the ranks: quicker hand-over between GPU and CPU on a Mac. Default false. */
  readonly fastSynch?: boolean | undefined
  /** Processes of this machine that the model is split over, 1 to 4. Default 1. */
  readonly localRanks?: number | undefined
  /** Where the token half runs. "thread" is for one host and for tests. Default "process". */
  readonly isolation?: "process" | "thread" | undefined
  /** Holds the cluster's secret. Default ~/.mlx-jaccl-cluster. */
  readonly stateFolder?: string | undefined
  /** How long running requests may go on after the first signal. */
  readonly shutdownTimeoutMs?: number | undefined
  /** Requests that may wait or run; further ones are refused with Retry-After. */
  readonly requests?: number | undefined
  /** Whether requests that ran when a rank was lost go on in the next one. Default true. */
  readonly replay?: boolean | undefined
  readonly http?: Omit<ServerOptions, "version"> | undefined
  /** Of the token half: threads, KV memory, batch, ... */
  readonly engine?: Partial<TokenHalfOptions> | undefined
  /** How large a share of the model each rank takes. Default: the weights of the hostfile, or even shares. */
  readonly shares?: readonly number[] | undefined
  /** A host that stays away for so long is left out, where the model fits into the others. Default: never. */
  readonly shrinkAfterMs?: number | undefined
  /** When a rank counts as lost; tests shorten them. */
  readonly deadlines?: ProcessIsolationOptions["deadlines"]
  /** How ranks reach each other and the front; tests put a proxy between. */
  readonly route?: ProcessIsolationOptions["route"]
  /** The script that runs a rank when it is called with "rank". Default bin/mlx-cluster.js. */
  readonly program?: string | undefined
}

/** Failures in a row, before the server was ever ready, that end it. */
const START_ATTEMPTS = 3
export const SHUTDOWN_TIMEOUT_MS = 30_000
/** Answers wait for their model: as long as a host may stay away, and for a start. */
const RECOVERY_MS = 60_000

/**
 * Serves until SIGTERM or SIGINT; no process is left when it resolves. The exit code is 0 after a signal, 2 where the
 * command or one of its files is wrong, 1 where anything else kept it from starting: then one line on stderr says why.
 */
export async function serve(options: ServeOptions): Promise<number> {
  keepHeapSmall()
  const signals = watchSignals()
  const closers: (() => Promise<void>)[] = []
  try {
    await run(options, signals, closers)
    return 0
  } catch (error) {
    log(`mlx-cluster: ${describe(error)}`)
    return error instanceof StartError ? error.exitCode : 1
  } finally {
    // What was started last ends first.
    for (const close of closers.toReversed()) {
      await close().catch((error: unknown) => log(`mlx-cluster: ${describe(error)}`))
    }
    signals.close()
  }
}

async function run(given: ServeOptions, signals: Signals, closers: (() => Promise<void>)[]): Promise<void> {
  const startedMs = performance.now()
  const root = PROGRAM_FOLDER
  const version = await programVersion()
  const hostfile = await badInput(() => readHostfile(given.hostfile ?? join(root, "hostfile.json"), given.transport))
  const files = await badInput(() => openModel(given, root))
  checkAliases(given.http?.aliases ?? {}, files.name)
  const draft = await badInput(() => openDraft(given, root))
  const options = draft === null ? given : { ...given, engine: withDraft(given.engine, draft) }
  await badInput(async () => tokenHalfOptions(options.engine))
  const start = createStart()
  const textPool = createTextPool()
  closers.push(() => textPool.close())
  if (draft !== null) await badInput(() => checkDraftModel(textPool, files, draft))

  let reportIncident: Server["reportIncident"] = () => {}
  const isolation = await startIsolation(options, { version, hostfile }, start, (reason) =>
    reportIncident("rank_lost", reason),
  )
  closers.push(() => isolation.close(RANK_STOP_GRACE_MS))
  const engine = createEngine({
    link: isolation.link,
    models: [{ id: files.name, files }],
    textPool,
    ...(options.requests === undefined ? {} : { limits: { requests: options.requests } }),
    ...(options.replay === undefined ? {} : { replay: options.replay }),
    retriesLoads: options.isolation !== "thread",
    recoveryMs: RECOVERY_MS + (options.shrinkAfterMs ?? 0),
  })
  closers.push(() => engine.close())
  isolation.link.onNotice((notice) => {
    if (notice.type === "load_failed") {
      const reason = `cannot load ${files.path}: ${notice.message}`
      reportIncident("load_failed", reason)
      if (start.isReady) isolation.restart(reason)
      else start.fail(new StartError(reason, 1))
    } else if (notice.type === "note") {
      log(`engine: ${notice.message}`)
    } else if (notice.type === "step_failed") {
      reportIncident("step_failed", notice.message)
      log(`engine: a step failed: ${notice.message}`)
    }
  })
  textPool.facts(files).catch((error: unknown) => start.fail(new StartError(describe(error), 2, error)))
  engine.onStatus((status) => {
    if (status.state !== "ready") return
    isolation.markServing()
    start.succeed()
  })

  const http = { ...options.http, version }
  const server = await badInput(async () =>
    createServer({ engine, cluster: () => isolation.cluster(), log, logs, options: http }),
  )
  closers.push(() => server.close())
  reportIncident = (code, cause) => server.reportIncident(code, cause)
  const bound = await server.listen()
  const address = `http://${bound.host.includes(":") ? `[${bound.host}]` : bound.host}:${bound.port}`

  const first = await Promise.race([signals.first, start.ready])
  if (first === "ready") {
    // What reading a vocabulary left behind; the allocator would keep it for good.
    ;(await import("mlx-jaccl-rs")).trimMemory()
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
    process.stdout.write(`mlx-cluster serves ${files.name} at ${address} (ready in ${seconds} s)\n`)
  }
  const signal = await Promise.race([signals.first, start.failed])
  log(`mlx-cluster: ${signal}: finishing what runs; once more to stop at once`)
  await Promise.race([server.drain(options.shutdownTimeoutMs ?? SHUTDOWN_TIMEOUT_MS), signals.second])
}

/** Whether the server ever became ready, and what ended it. */
interface Start {
  /** Rejects with the failure, if that is first. */
  readonly ready: Promise<"ready">
  /** Rejects with the failure; never resolves. */
  readonly failed: Promise<never>
  readonly isReady: boolean
  succeed(): void
  fail(error: StartError): void
}

function createStart(): Start {
  let isReady = false
  let resolveReady: (value: "ready") => void = () => {}
  let fail: (error: StartError) => void = () => {}
  const failed = new Promise<never>((_, reject) => {
    fail = reject
  })
  const ready = Promise.race([
    failed,
    new Promise<"ready">((resolve) => {
      resolveReady = resolve
    }),
  ])
  // It may fail while something else is awaited, and is awaited afterwards.
  failed.catch(() => undefined)
  ready.catch(() => undefined)
  return {
    ready,
    failed,
    get isReady() {
      return isReady
    },
    succeed() {
      isReady = true
      resolveReady("ready")
    },
    fail,
  }
}

interface Place {
  readonly version: string
  readonly hostfile: Hostfile
}

async function startIsolation(
  options: ServeOptions,
  place: Place,
  start: Start,
  lost: (reason: string) => void,
): Promise<Isolation> {
  const layout = rankLayout(place.hostfile, options.localRanks, options.controlPort, options.shares)
  const ranks = options.localRanks ?? 1
  if (layout.size > 1 && options.isolation === "thread")
    throw new StartError("several ranks need processes of their own", 2)
  if (ranks > 1 && tokenHalfOptions(options.engine).device !== "cpu") {
    throw new StartError("several local ranks share one processor: take the cpu back end", 2)
  }
  if (layout.size > 1 && (options.engine?.prefixCacheFolder ?? null) !== null)
    throw new StartError("--prefix-cache-dir works where one rank has the whole model: serve without it", 2)
  const engine = ranks === 1 ? (options.engine ?? {}) : { threads: threadsOf(ranks), ...options.engine }
  const events = {
    log,
    down(reason: string, attempt: number) {
      lost(reason)
      if (!start.isReady && attempt >= START_ATTEMPTS) start.fail(new StartError(reason, 1))
    },
    ended: (reason: string) => start.fail(new StartError(reason, 1)),
  }
  if (options.isolation === "thread") return await startThreadIsolation(engine, events)
  const stateFolder = resolve(options.stateFolder ?? join(homedir(), ".mlx-jaccl-cluster"))
  return await startProcessIsolation({
    layout,
    envs: options.fastSynch === true ? { ...place.hostfile.envs, [FAST_SYNCH]: "1" } : place.hostfile.envs,
    sshConfig: options.sshConfig === undefined ? undefined : resolve(options.sshConfig),
    version: place.version,
    secret: await loadSecret(stateFolder),
    command: [process.execPath, options.program ?? join(PROGRAM_FOLDER, "bin", "mlx-cluster.js"), "rank"],
    rankOptions: (rank, members) =>
      ({
        version: place.version,
        engine: { referenceFolder: join(stateFolder, "references"), ...engine },
        ...rankPlaceOptions(layout, rank, members),
      }) satisfies RankOptions,
    shrinkAfterMs: options.shrinkAfterMs,
    deadlines: options.deadlines,
    route: options.route,
    events,
  })
}

/** Ranks of one machine share its cores: a rank that waits for another must not keep it from running. */
function threadsOf(ranks: number): number {
  return Math.max(1, Math.floor(availableParallelism() / ranks))
}

async function openModel(options: ServeOptions, root: string): Promise<ModelFiles> {
  const modelsFolder = resolve(options.modelsFolder ?? join(root, "models"))
  return await openModelFiles(await locateModel(options.model, { root, modelsFolder }))
}

function checkAliases(aliases: Readonly<Record<string, string>>, served: string): void {
  for (const [alias, model] of Object.entries(aliases))
    if (model !== served) throw new StartError(`the alias ${alias} stands for ${model}, but ${served} is served`, 2)
}

async function openDraft(options: ServeOptions, root: string): Promise<ModelFiles | null> {
  return options.draftModel === undefined ? null : await openModel({ ...options, model: options.draftModel }, root)
}

function withDraft(engine: ServeOptions["engine"], draft: ModelFiles): Partial<TokenHalfOptions> {
  return { speculate: "draft", ...engine, draftModel: draft.path }
}

/** What fails here is the fault of the command or of a file it names. */
async function badInput<Value>(work: () => Promise<Value>): Promise<Value> {
  try {
    return await work()
  } catch (error) {
    throw error instanceof StartError ? error : new StartError(describe(error), 2, error)
  }
}

/** One server a process: what stderr gets, GET /logs shows. */
const logs = createLogStore()

function log(line: string): void {
  logs.push(line)
  process.stderr.write(`${line}\n`)
}

/** One line. */
function describe(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replaceAll(/\s*\n\s*/g, " ")
}
