// Starting and ending rank processes. The local launcher spawns a child; ssh-launcher.ts starts one on another host.

import { spawn } from "node:child_process"
import { type RankExit, watchRankChild } from "./rank-child.ts"
import { encodeRankSpec, type RankSpec } from "./rank-spec.ts"

export interface RankProcess {
  readonly rank: number
  /** On this machine: of the rank itself, or of the ssh that leads to it. */
  readonly pid: number
  /** Settles once, after the process is gone; never rejects. */
  readonly exited: Promise<RankExit>
  /** The last lines it wrote. */
  stderrTail(): readonly string[]
  /** What the exit means, where the launcher knows better than the last line. */
  explain?(exit: RankExit): string | null
  /** SIGTERM; SIGKILL after the grace. Resolves when it is gone. Idempotent. */
  stop(graceMs: number): Promise<RankExit>
}

export interface RankLauncher {
  /** Rejects with ControlError launch_failed. */
  launch(spec: RankSpec): Promise<RankProcess>
}

export interface LocalLauncherOptions {
  /** Program and arguments, such as [process.execPath, "bin/mlx-cluster.js", "rank"]. */
  readonly command: readonly [string, ...string[]]
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>
  /** A line that a rank wrote to stdout or stderr. */
  readonly onLine?: (rank: number, line: string) => void
}

export function createLocalLauncher(options: LocalLauncherOptions): RankLauncher {
  return { launch: (spec) => launchLocal(options, spec) }
}

async function launchLocal(options: LocalLauncherOptions, spec: RankSpec): Promise<RankProcess> {
  const [program, ...args] = options.command
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, ...options.env } })
  const watched = await watchRankChild(child, `rank ${spec.rank}`, (line) => options.onLine?.(spec.rank, line))
  child.stdin.write(encodeRankSpec(spec))

  let stopping = false
  return {
    rank: spec.rank,
    pid: watched.pid,
    exited: watched.exited,
    stderrTail: () => watched.tail(),
    async stop(graceMs) {
      if (!watched.gone && graceMs <= 0) child.kill("SIGKILL")
      else if (!watched.gone && !stopping) {
        stopping = true
        child.kill("SIGTERM")
        const timer = setTimeout(() => child.kill("SIGKILL"), graceMs)
        void watched.exited.then(() => clearTimeout(timer))
      }
      return await watched.exited
    },
  }
}

/** How a rank ended, in words, with its last line. */
export function describeExit(process: RankProcess, exit: RankExit): string {
  const known = process.explain?.(exit) ?? null
  if (known !== null) return `rank ${process.rank}: ${known}`
  const how = exit.signal === null ? `ended with exit code ${exit.code}` : `was killed by ${exit.signal}`
  const last = process.stderrTail().findLast((line) => line.trim() !== "")
  return `rank ${process.rank} ${how}${last === undefined ? "" : `: ${last.trim()}`}`
}
