// How the ranks of a layout are started: children on this machine, ssh to the others.

import { createLocalLauncher, createSshLauncher, type RankLauncher } from "./control/index.ts"
import { PROGRAM_FOLDER } from "./program.ts"
import type { RankLayout } from "./rank-layout.ts"

export interface RankLauncherOptions {
  readonly layout: RankLayout
  /** Program and arguments that run a rank on this machine. */
  readonly command: readonly [string, ...string[]]
  /** Environment of every rank, of the hostfile. */
  readonly envs: Readonly<Record<string, string>>
  /** Configuration of ssh in place of the user's own. */
  readonly sshConfig?: string | undefined
  readonly onLine: (rank: number, line: string) => void
}

/** Never asked for: ranks of this machine are not started over ssh. */
const HERE = { ssh: "localhost", folder: PROGRAM_FOLDER }

/** Ranks of this machine are children; the others are started over ssh. */
export function createRankLauncher({ command, envs, layout, onLine, sshConfig }: RankLauncherOptions): RankLauncher {
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
