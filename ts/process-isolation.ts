// The token half in processes of its own, which the front can end and start again: the way for all but tests.

import { createConnectionPort } from "./connection-port.ts"
import {
  type ClusterCertificate,
  type ClusterStatus,
  type ClusterWaiting,
  createLinkHealth,
  createStragglerMeter,
  type RankConnection,
  type RankGroupDeadlines,
  type ShrinkOptions,
  startRankGroup,
  withRdmaCure,
} from "./control/index.ts"
import { createFrameLink, type GroupFacts } from "./engine/index.ts"
import { linkCeiling } from "./link-ceiling.ts"
import { createRankLauncher, type RankLauncherOptions } from "./rank-launcher.ts"
import { introduceRanks, type Route } from "./rank-meeting.ts"
import type { Isolation, IsolationEvents } from "./isolation.ts"

/** MLX's own switch, of the ranks' environment. */
export const FAST_SYNCH = "MLX_METAL_FAST_SYNCH"

export interface ProcessIsolationOptions extends Omit<RankLauncherOptions, "onLine"> {
  readonly version: string
  readonly secret: Uint8Array
  /** Told to each rank process on its standard input. */
  readonly rankOptions: (rank: number, members: readonly number[]) => unknown
  /** Goes on with fewer ranks where some stay away for so long. Default: never. */
  readonly shrinkAfterMs?: number | undefined
  readonly deadlines?: Partial<RankGroupDeadlines> | undefined
  /** Default: every address is reached as it is. */
  readonly route?: Route | undefined
  readonly events: IsolationEvents
}

export async function startProcessIsolation(options: ProcessIsolationOptions): Promise<Isolation> {
  const { events, layout, route } = options
  const { size } = layout
  const port = createConnectionPort()
  const link = createFrameLink(port)
  const connections = new Map<number, RankConnection>()
  let failures = 0
  let certificate: ClusterCertificate | null = null
  let isIdle = true
  let joinedBy: GroupFacts | null = null
  let mlx: string | null = null
  /** Of each rank's network interface, by rank, in bytes a second. */
  let speeds: readonly (number | null)[] = []
  const health = createLinkHealth()
  const straggler = createStragglerMeter()
  link.onNotice((notice) => {
    if (notice.type === "loaded") {
      certificate = notice.facts.certificate
      joinedBy = notice.facts.group ?? null
      mlx = notice.facts.mlxVersion ?? mlx
    } else if (notice.type === "probe") {
      const { from, to } = notice.result
      health.record({ ...notice.result, from: memberAt(from), to: memberAt(to) }, performance.now())
    } else if (notice.type === "statistics") {
      isIdle = notice.statistics.running + notice.statistics.waiting === 0
      const { ranks } = notice.statistics.work
      if (ranks !== undefined) straggler.update(ranks, performance.now() * 1000)
    }
  })

  /** Who is this one of the ranks that run. */
  function memberAt(at: number): number {
    return group.members[at] ?? at
  }

  /** Of the model, by rank; a rank that stays away takes nothing. */
  function shares(): number[] {
    const weights = Array.from({ length: size }, (_, rank) =>
      group.members.includes(rank) ? (layout.weights?.[rank] ?? 1) : 0,
    )
    const whole = weights.reduce((sum, weight) => sum + weight, 0)
    return weights.map((weight) => weight / whole)
  }

  function waiting(): ClusterWaiting | null {
    const found = straggler.read()
    if (found === null || group.members.length === size) return found
    const shares = Array.from({ length: size }, (_, rank) => found.shares[group.members.indexOf(rank)] ?? 0)
    return { shares, straggler: found.straggler === null ? null : memberAt(found.straggler) }
  }

  function cluster(): ClusterStatus {
    const status = group.status()
    const links = status.links.map((one) => {
      const { bestBytesPerSecond, ...figures } = health.figures(one.from, one.to, performance.now())
      return { ...one, ...figures, ceiling: linkCeiling(one, speeds, bestBytesPerSecond) }
    })
    const metalFastSynch = options.envs[FAST_SYNCH] === "1"
    const joined =
      joinedBy === null ? null : { transport: joinedBy.backend, isGuarded: joinedBy.isGuarded, shares: shares() }
    const versions = { program: options.version, node: process.versions.node, mlx }
    return { ...status, links, group: joined, certificate, waiting: waiting(), metalFastSynch, versions }
  }

  function joined(connection: RankConnection): void {
    connections.set(connection.rank, connection)
    if (group.members.length === 1 || connections.size < group.members.length) return
    const inOrder = [...connections.values()].toSorted((a, b) => a.rank - b.rank)
    const { transport } = group.members.length === size ? layout : layout.among(group.members)
    const isCurrent = () => inOrder.every((one) => connections.get(one.rank) === one)
    const met = introduceRanks(inOrder, transport, route).then((found) => {
      if (!isCurrent()) return
      speeds = Array.from({ length: size }, (_, rank) => found[inOrder.findIndex((one) => one.rank === rank)] ?? null)
    })
    met.catch((error: unknown) => {
      if (isCurrent())
        group.restart(`the ranks did not meet: ${error instanceof Error ? error.message : String(error)}`)
    })
  }

  const shrinkOptions = (afterMs: number): ShrinkOptions => ({
    afterMs,
    among: (members) => layout.among(members),
    isIdle: () => isIdle,
  })

  const group = await startRankGroup({
    size,
    hostnames: layout.hostnames,
    links: layout.links,
    address: layout.control,
    version: options.version,
    launcher: createRankLauncher({ ...options, onLine: (rank, line) => events.log(`rank ${rank}: ${line}`) }),
    secret: options.secret,
    rankOptions: options.rankOptions,
    shrink: options.shrinkAfterMs === undefined ? undefined : shrinkOptions(options.shrinkAfterMs),
    coordinatorFor: route === undefined ? undefined : (rank, address) => route(rank, "front", address),
    deadlines: options.deadlines,
    events: {
      joined(connection) {
        joined(connection)
        if (connection.rank === 0) port.attach(connection)
      },
      left(connection) {
        if (connections.get(connection.rank) === connection) connections.delete(connection.rank)
        port.detach(connection)
      },
      down(cause, waitMs) {
        const reason = withRdmaCure(cause)
        failures += 1
        certificate = null
        isIdle = false
        joinedBy = null
        health.reset()
        straggler.reset()
        events.log(`${reason}; starting again ${waitMs === 0 ? "now" : `in ${waitMs / 1000} s`}`)
        events.down(reason, failures)
      },
      log: (rank, level, text) => events.log(`${rank === null ? "cluster" : `rank ${rank}`}: ${level}: ${text}`),
    },
  })
  return {
    link,
    cluster,
    markServing() {
      failures = 0
      group.markServing()
    },
    restart: (reason) => group.restart(reason),
    async close(graceMs) {
      await link.close()
      await group.close(graceMs)
    },
  }
}
