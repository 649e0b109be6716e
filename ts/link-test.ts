// Measures and checks the links between the ranks: starts them as serving would, has all do the same collectives, and ends
// them. The front's end of link-rank.ts.

import { homedir } from "node:os"
import { join, resolve } from "node:path"
import { type Hostfile, loadSecret, type RankConnection, startRankGroup } from "./control/index.ts"
import { LINK_ROW_BYTES, type LinkRound, type LinkRoundResult, type TokenHalfOptions } from "./engine/index.ts"
import { LINK_TASK } from "./link-rank.ts"
import { PROGRAM_FOLDER, programVersion } from "./program.ts"
import { createRankLauncher } from "./rank-launcher.ts"
import { rankLayout, rankPlaceOptions } from "./rank-layout.ts"
import { introduceRanks } from "./rank-meeting.ts"
import type { RankOptions } from "./rank.ts"
import { StartError } from "./start-error.ts"

export interface LinkTestOptions {
  readonly hostfile: Hostfile
  readonly localRanks?: number | undefined
  readonly sshConfig?: string | undefined
  readonly stateFolder?: string | undefined
  readonly engine?: Partial<TokenHalfOptions> | undefined
  /** What ranks and ssh write. */
  readonly onLine: (line: string) => void
}

/** Sizes in bytes, times in microseconds. */
export interface LinkMeasure {
  readonly bytes: number
  readonly repeats: number
  readonly p50Us: number
  readonly p99Us: number
  /** Payload over time at the median, decimal. */
  readonly bytesPerSecond: number
  readonly wrong: number
  readonly checked: number
}

export interface LinkGroup {
  readonly size: number
  /** Does nothing but meet; resolves with what the group says that it runs over. */
  transport(): Promise<string>
  /** Every rank gives `bytes`, rounded up to rows. The rank that begins last waits for no other: its time counts. */
  measure(
    bytes: number,
    repeats: number,
    options: { readonly seed: number; readonly check: boolean },
  ): Promise<LinkMeasure>
  close(): Promise<void>
}

/** Ranks start, MLX opens, all meet. */
const MEET_MS = 90_000
/** A rank that is busy says nothing: a task stays well below the silence after which it counts as lost. */
const TASK_MS = 2_000
const ROUND_MS = 60_000

/** Rejects with what kept the ranks from meeting. */
export async function openLinkGroup(options: LinkTestOptions): Promise<LinkGroup> {
  const layout = rankLayout(options.hostfile, options.localRanks)
  const { size } = layout
  if (size < 2) throw new StartError("one rank has no link: give a hostfile with other hosts, or --local-ranks 2")
  const version = await programVersion()
  const connections = new Map<number, RankConnection>()
  let joinedAll: () => void = () => {}
  let failed: (error: Error) => void = () => {}
  const met = new Promise<void>((done, reject) => {
    joinedAll = done
    failed = reject
  })
  const lost = new Promise<never>((_, reject) => {
    failed = reject
  })
  lost.catch(() => undefined)
  const group = await startRankGroup({
    size,
    hostnames: layout.hostnames,
    address: layout.control,
    version,
    launcher: createRankLauncher({
      layout,
      command: [process.execPath, join(PROGRAM_FOLDER, "bin", "mlx-cluster.js"), "rank"],
      envs: options.hostfile.envs,
      sshConfig: options.sshConfig,
      onLine: (rank, line) => options.onLine(`rank ${rank}: ${line}`),
    }),
    secret: await loadSecret(resolve(options.stateFolder ?? join(homedir(), ".mlx-jaccl-cluster"))),
    rankOptions: (rank, members) =>
      ({
        version,
        engine: { threads: 1, ...options.engine },
        ...rankPlaceOptions(layout, rank, members),
        links: true,
      }) satisfies RankOptions,
    events: {
      joined(connection) {
        connections.set(connection.rank, connection)
        if (connections.size === size) joinedAll()
      },
      left: () => undefined,
      down: (reason) => failed(new Error(reason)),
      log: (_, level, text) => options.onLine(`${level}: ${text}`),
    },
  })
  const inOrder = () => [...connections.values()].toSorted((a, b) => a.rank - b.rank)
  const deadline = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error(`the ranks did not meet within ${MEET_MS / 1000} s`)), MEET_MS).unref()
  })
  try {
    await Promise.race([met, lost, deadline])
    await Promise.race([introduceRanks(inOrder(), layout.transport), lost, deadline])
  } catch (error) {
    await group.close(0)
    throw error
  }

  async function round(body: LinkRound): Promise<LinkRoundResult[]> {
    const answers = Promise.all(inOrder().map((rank) => rank.task(LINK_TASK, body, ROUND_MS)))
    answers.catch(() => undefined)
    // The ranks are authenticated and of the same version.
    return (await Promise.race([answers, lost])) as LinkRoundResult[]
  }

  return {
    size,
    async transport() {
      const [first] = await round({ rows: 1, repeats: 1, seed: 0, check: false })
      return first?.backend ?? ""
    },
    async measure(bytes, repeats, { seed, check }) {
      const rows = Math.max(1, Math.ceil(bytes / LINK_ROW_BYTES))
      const times: number[] = []
      let wrong = 0
      let checked = 0
      let perTask = 1
      while (times.length < repeats) {
        const body = { rows, repeats: Math.min(perTask, repeats - times.length), seed: seed + times.length, check }
        const beganMs = performance.now()
        const results = await round(body)
        const tookMs = Math.max(1, performance.now() - beganMs)
        for (let at = 0; at < body.repeats; at++) {
          times.push(Math.min(...results.map(({ microseconds }) => microseconds[at] ?? 0)))
        }
        for (const result of results) {
          wrong += result.wrong
          checked += result.checked
        }
        perTask = Math.max(1, Math.floor((body.repeats * TASK_MS) / tookMs / 2))
      }
      const sorted = times.toSorted((a, b) => a - b)
      const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
      const sent = rows * LINK_ROW_BYTES
      const p50Us = at(0.5)
      return { bytes: sent, repeats, p50Us, p99Us: at(0.99), bytesPerSecond: sent / (p50Us / 1e6), wrong, checked }
    },
    close: () => group.close(),
  }
}
