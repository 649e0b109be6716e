// Starts ranks on other hosts with the system's ssh. What a rank is told, its secret above all, travels on ssh's standard
// input to a guard there (rank-guard.ts); commands and environments, which others may read, hold nothing of it.

import { spawn } from "node:child_process"
import type { Clock } from "./clock.ts"
import { systemClock } from "./clock.ts"
import { GUARD_BEAT_MS, SSH_STOP_MS } from "./limits.ts"
import type { RankLauncher, RankProcess } from "./launch.ts"
import { type RankExit, watchRankChild } from "./rank-child.ts"
import { encodeGuardBeat, encodeGuardStart, encodeGuardStop, guardSignal } from "./rank-guard.ts"
import type { RankSpec } from "./rank-spec.ts"
import { explainSsh, remoteProgram, SSH_FAILED, sshArguments, type SshOptions } from "./ssh.ts"

export interface SshLauncherOptions extends SshOptions {
  /** Of each rank: what ssh is to call, and the folder of this program there. */
  readonly host: (rank: number) => { readonly ssh: string; readonly folder: string }
  /** Environment of the ranks. Nothing secret: it can be read on the other host. */
  readonly env?: Readonly<Record<string, string>>
  readonly onLine?: (rank: number, line: string) => void
  readonly clock?: Clock
  /** Default "ssh". */
  readonly program?: string
}

export function createSshLauncher(options: SshLauncherOptions): RankLauncher {
  return { launch: (spec) => launchOverSsh(options, spec) }
}

async function launchOverSsh(options: SshLauncherOptions, spec: RankSpec): Promise<RankProcess> {
  const { ssh, folder } = options.host(spec.rank)
  const clock = options.clock ?? systemClock
  const script = remoteProgram(ssh, folder, ["rank", "--guard"])
  const child = spawn(options.program ?? "ssh", sshArguments(ssh, script, options), { stdio: ["pipe", "pipe", "pipe"] })
  const watched = await watchRankChild(child, `ssh to ${ssh}`, (line) => options.onLine?.(spec.rank, line))
  const write = (line: string) => {
    if (child.stdin.writable) child.stdin.write(line)
  }
  write(encodeGuardStart(spec, options.env ?? {}))
  const stopBeats = clock.every(GUARD_BEAT_MS, () => write(encodeGuardBeat()))
  void watched.exited.then(stopBeats)

  /** ssh ends with the exit code of the guard, which is the rank's. */
  const exited = watched.exited.then(({ code, signal }): RankExit => {
    const rankSignal = code === null ? null : guardSignal(code)
    return rankSignal === null || signal !== null ? { code, signal } : { code: null, signal: rankSignal }
  })
  let killTimer: (() => void) | null = null
  let graceLeftMs = Number.POSITIVE_INFINITY
  return {
    rank: spec.rank,
    pid: watched.pid,
    exited,
    stderrTail: () => watched.tail(),
    explain: (exit) => (exit.code === SSH_FAILED ? explainSsh(ssh, watched.tail()) : null),
    async stop(graceMs) {
      if (!watched.gone && graceMs < graceLeftMs) {
        graceLeftMs = graceMs
        write(encodeGuardStop(graceMs))
        // While ssh lives, its end tells that the rank is gone. Where the way there is dead, ssh is ended here and the
        // guard ends the rank at the end of its input or of its lease.
        killTimer?.()
        killTimer = clock.after(graceMs + SSH_STOP_MS, () => child.kill("SIGKILL"))
        void watched.exited.then(() => killTimer?.())
      }
      return await exited
    },
  }
}
