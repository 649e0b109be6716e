// A rank process: the token half of the engine, and the rank's end of the control plane. Started by the front, which
// tells it everything on its standard input; it ends when the front says so or is gone.

import { homedir, hostname } from "node:os"
import { createConnectionPort } from "./connection-port.ts"
import {
  connectPeer,
  ControlError,
  type Peer,
  type PeerOptions,
  RANK_STOP_GRACE_MS,
  type RankMemory,
  readRankSpec,
  systemClock,
  tcpTransport,
} from "./control/index.ts"
import { createRankHost, type RankHost, serveLink, type TokenHalfOptions } from "./engine/index.ts"
import { PROGRAM_FOLDER, programVersion } from "./program.ts"
import { addressTowards } from "./rank-address.ts"
import { type LinkRank, startLinkRank } from "./link-rank.ts"
import { createRankIntroduction } from "./rank-meeting.ts"
import { createRankMemory } from "./rank-memory.ts"
import { createRankWork } from "./rank-work.ts"

/** What main.ts tells a rank beside its place in the cluster. */
export interface RankOptions {
  readonly version: string
  readonly engine: Partial<TokenHalfOptions>
  /** Address that this rank listens on for the others; null: the one that leads to the front. */
  readonly address: string | null
  /** Folders of the front's machine: this program's own and the user's. Models below them lie here below the same. */
  readonly folders: { readonly program: string; readonly home: string }
  /** How large a share of the model each rank takes; undefined: even shares. */
  readonly weights?: readonly number[] | undefined
  /** Among the ranks that start together: where hosts stay away, they are fewer than the control plane counts. */
  readonly place: { readonly rank: number; readonly size: number }
  /** Measures links instead of serving a model. */
  readonly links?: boolean
}

/** Exit codes of a rank process, for whoever reads the front's log. */
const EXIT = { done: 0, failed: 1, orphaned: 3, aborted: 4 } as const

/** Runs until the process ends; returns after the start. */
export async function runRank(): Promise<void> {
  let host: RankHost | null = null
  let peer: Peer | null = null
  let ending = false
  /** Ends every wait of the engine for other ranks. */
  let leaveGroup = () => {}

  function end(code: number, graceMs: number, reason?: ControlError): void {
    if (ending) return
    ending = true
    // A worker that stands in a collective cannot be joined: process.exit would wait for it for ever.
    setTimeout(() => process.kill(process.pid, "SIGKILL"), graceMs)
    peer?.close(reason)
    const closed = host?.close() ?? Promise.resolve()
    closed.then(
      () => process.exit(code),
      () => process.exit(EXIT.failed),
    )
  }
  function fail(error: unknown): void {
    const text = error instanceof Error ? error.message : String(error)
    process.stderr.write(`${text.replaceAll(/\s*\n\s*/g, " ")}\n`)
    end(EXIT.failed, RANK_STOP_GRACE_MS, new ControlError("task_failed", text))
  }

  process.on("SIGTERM", () => end(EXIT.done, RANK_STOP_GRACE_MS))
  // Ctrl-C in the front's terminal reaches its whole process group: the front decides when a rank ends.
  process.on("SIGINT", () => undefined)
  process.on("uncaughtException", fail)

  try {
    const spec = await readRankSpec(process.stdin, () => end(EXIT.orphaned, ORPHAN_GRACE_MS))
    process.title = `mlx-cluster rank ${spec.rank}`
    const version = await programVersion()
    const options = rankOptions(spec.options, version)
    const introduction = createRankIntroduction({
      ...options.place,
      weights: options.weights,
      host: options.address ?? (await addressTowards(spec.coordinator.host, spec.coordinator.port)),
      folders: [
        [options.folders.program, PROGRAM_FOLDER],
        [options.folders.home, homedir()],
      ],
    })
    const { abortGroups, groupCounters, threadCpuUs } = await import("mlx-jaccl-rs")
    leaveGroup = abortGroups
    const port = createConnectionPort()
    let links: LinkRank | null = null
    let memory: () => RankMemory
    let work: NonNullable<PeerOptions["work"]> = () => null
    if (options.links === true && introduction.place !== null) {
      links = await startLinkRank(options.engine, introduction.place)
      ;({ memory } = links)
    } else {
      host = createRankHost(options.engine, introduction.place)
      void host.ended.then((error) => {
        if (error !== null) fail(error)
      })
      memory = await createRankMemory(host.link)
      work = createRankWork(host.link)
      serveLink(port, host.link)
    }
    peer = await connectPeer({
      transport: tcpTransport,
      coordinator: spec.coordinator,
      secret: spec.secret,
      identity: {
        rank: spec.rank,
        epoch: spec.epoch,
        hostname: hostname(),
        pid: process.pid,
        version,
      },
      clock: systemClock,
      memory,
      work,
      cpuUs: threadCpuUs,
      otherBeatsUs: () => groupCounters()?.beatUs ?? 0,
      task: (name, body) => links?.task(name, body) ?? introduction.task(name, body),
      shutdown: (graceMs) => end(EXIT.done, graceMs),
      abort(reason) {
        // Even when the end has begun: it may wait for a collective.
        leaveGroup()
        if (!ending) process.stderr.write(`aborted by the front: ${reason.replaceAll(/\s*\n\s*/g, " ")}\n`)
        end(EXIT.aborted, ABORT_GRACE_MS)
      },
      lost(reason) {
        leaveGroup()
        if (!ending) process.stderr.write(`lost the front: ${reason.message}\n`)
        end(EXIT.orphaned, ORPHAN_GRACE_MS)
      },
    })
    // The front speaks with the engine of rank 0 alone.
    if (spec.rank === 0) port.attach(peer)
  } catch (error) {
    fail(error)
  }
}

/** The front kills after this long too. */
const ABORT_GRACE_MS = 3_000
/** Nobody waits for an orphan's good order. */
const ORPHAN_GRACE_MS = 1_000

/** The front and the rank are one program of one version: the values are checked by the engine, not here. */
function rankOptions(value: unknown, version: string): RankOptions {
  if (typeof value !== "object" || value === null || !("engine" in value) || !("version" in value)) {
    throw new ControlError("launch_failed", "the start line has no options for this rank")
  }
  if (value.version !== version) {
    throw new ControlError(
      "rank_refused",
      `${hostname()} has mlx-cluster ${version}, the front ${String(value.version)}: run mlx-cluster bootstrap`,
    )
  }
  // oxlint-disable-next-line no-unsafe-type-assertion -- see above
  return value as RankOptions
}
