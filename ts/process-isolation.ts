// The token half in processes of its own, which the front can end and start again: the way for all but tests.

import { createConnectionPort } from "./connection-port.ts"
import {
  createLocalLauncher,
  createSshLauncher,
  type RankConnection,
  type RankLauncher,
  startRankGroup,
} from "./control/index.ts"
import { createFrameLink } from "./engine/index.ts"
import { PROGRAM_FOLDER } from "./program.ts"
import { introduceRanks } from "./rank-meeting.ts"
import type { RankLayout } from "./rank-layout.ts"
import type { Isolation, IsolationEvents } from "./isolation.ts"

export interface ProcessIsolationOptions {
  readonly layout: RankLayout
  /** Environment of every rank, of the hostfile. */
  readonly envs: Readonly<Record<string, string>>
  /** Configuration of ssh in place of the user's own. */
  readonly sshConfig?: string | undefined
  readonly version: string
  readonly secret: Uint8Array
  /** Program and arguments that run a rank. */
  readonly command: readonly [string, ...string[]]
  /** Told to each rank process on its standard input. */
  readonly rankOptions: (rank: number) => unknown
  readonly events: IsolationEvents
}

export async function startProcessIsolation(options: ProcessIsolationOptions): Promise<Isolation> {
  const { events, layout } = options
  const { size } = layout
  const port = createConnectionPort()
  const link = createFrameLink(port)
  const connections = new Map<number, RankConnection>()
  let failures = 0

  function joined(connection: RankConnection): void {
    connections.set(connection.rank, connection)
    if (size === 1 || connections.size < size) return
    const inOrder = [...connections.values()].toSorted((a, b) => a.rank - b.rank)
    introduceRanks(inOrder).catch((error: unknown) => {
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
    launcher: createLauncher(options),
    secret: options.secret,
    rankOptions: options.rankOptions,
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
        events.log(`${reason}; starting again ${waitMs === 0 ? "now" : `in ${waitMs / 1000} s`}`)
        events.down(reason, failures)
      },
      log: (rank, level, text) => events.log(`${rank === null ? "cluster" : `rank ${rank}`}: ${level}: ${text}`),
    },
  })
  return {
    link,
    cluster: () => group.status(),
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

/** Never asked for: ranks of this machine are not started over ssh. */
const HERE = { ssh: "localhost", folder: PROGRAM_FOLDER }

/** Ranks of this machine are children; the others are started over ssh. */
function createLauncher({ command, envs, events, layout, sshConfig }: ProcessIsolationOptions): RankLauncher {
  const onLine = (rank: number, line: string) => events.log(`rank ${rank}: ${line}`)
  const local = createLocalLauncher({ command, env: envs, onLine })
  const overSsh = createSshLauncher({
    host: (rank) => layout.remote(rank) ?? HERE,
    // Which MLX computes is chosen for all hosts at once.
    env: process.env["BACKEND"] === undefined ? envs : { BACKEND: process.env["BACKEND"], ...envs },
    config: sshConfig,
    onLine,
  })
  return { launch: (spec) => (layout.remote(spec.rank) === null ? local : overSsh).launch(spec) }
}
