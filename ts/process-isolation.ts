// The token half in processes of its own, which the front can end and start again: the way for all but tests.

import { createConnectionPort } from "./connection-port.ts"
import {
  type ClusterCertificate,
  type ClusterStatus,
  createLinkHealth,
  createStragglerMeter,
  type RankConnection,
  type RankGroupDeadlines,
  startRankGroup,
} from "./control/index.ts"
import { createFrameLink } from "./engine/index.ts"
import { createRankLauncher, type RankLauncherOptions } from "./rank-launcher.ts"
import { introduceRanks, type Route } from "./rank-meeting.ts"
import type { Isolation, IsolationEvents } from "./isolation.ts"

/** MLX's own switch, of the ranks' environment. */
export const FAST_SYNCH = "MLX_METAL_FAST_SYNCH"

export interface ProcessIsolationOptions extends Omit<RankLauncherOptions, "onLine"> {
  readonly version: string
  readonly secret: Uint8Array
  /** Told to each rank process on its standard input. */
  readonly rankOptions: (rank: number) => unknown
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
  const health = createLinkHealth()
  const straggler = createStragglerMeter()
  link.onNotice((notice) => {
    if (notice.type === "loaded") certificate = notice.facts.certificate
    else if (notice.type === "probe") health.record(notice.result, performance.now())
    else if (notice.type === "statistics" && notice.statistics.work.ranks !== undefined)
      straggler.update(notice.statistics.work.ranks, performance.now() * 1000)
  })

  function cluster(): ClusterStatus {
    const status = group.status()
    const links = status.links.map((one) => ({ ...one, ...health.figures(one.from, one.to, performance.now()) }))
    const metalFastSynch = options.envs[FAST_SYNCH] === "1"
    return { ...status, links, certificate, waiting: straggler.read(), metalFastSynch }
  }

  function joined(connection: RankConnection): void {
    connections.set(connection.rank, connection)
    if (size === 1 || connections.size < size) return
    const inOrder = [...connections.values()].toSorted((a, b) => a.rank - b.rank)
    introduceRanks(inOrder, layout.transport, route).catch((error: unknown) => {
      const isCurrent = inOrder.every((one) => connections.get(one.rank) === one)
      if (isCurrent) group.restart(`the ranks did not meet: ${error instanceof Error ? error.message : String(error)}`)
    })
  }

  const group = await startRankGroup({
    size,
    hostnames: layout.hostnames,
    links: layout.links,
    address: layout.control,
    version: options.version,
    launcher: createRankLauncher({ ...options, onLine: (rank, line) => events.log(`rank ${rank}: ${line}`) }),
    secret: options.secret,
    rankOptions: options.rankOptions,
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
      down(reason, waitMs) {
        failures += 1
        certificate = null
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
