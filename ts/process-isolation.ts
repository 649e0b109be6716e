// The token half in processes of its own, which the front can end and start again: the way for all but tests.

import { createConnectionPort } from "./connection-port.ts"
import { createLocalLauncher, startRankGroup, type Hostfile } from "./control/index.ts"
import { createFrameLink } from "./engine/index.ts"
import type { Isolation, IsolationEvents } from "./isolation.ts"

export interface ProcessIsolationOptions {
  readonly hostfile: Hostfile
  readonly secret: Uint8Array
  /** Program and arguments that run a rank. */
  readonly command: readonly [string, ...string[]]
  /** Told to each rank process on its standard input. */
  readonly rankOptions: unknown
  readonly events: IsolationEvents
}

export async function startProcessIsolation(options: ProcessIsolationOptions): Promise<Isolation> {
  const { events, hostfile } = options
  const port = createConnectionPort()
  const link = createFrameLink(port)
  let failures = 0
  const group = await startRankGroup({
    size: hostfile.hosts.length,
    hostnames: hostfile.hosts.map((host) => host.ssh),
    links: hostfile.topology.links,
    launcher: createLocalLauncher({
      command: options.command,
      onLine: (rank, line) => events.log(`rank ${rank}: ${line}`),
    }),
    secret: options.secret,
    rankOptions: () => options.rankOptions,
    events: {
      joined(connection) {
        if (connection.rank === 0) port.attach(connection)
      },
      left(connection) {
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
