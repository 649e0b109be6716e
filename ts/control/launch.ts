// Starting and ending rank processes. The local launcher spawns a child; a process on another host is another launcher.

import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import type { Readable } from "node:stream"
import { ControlError, messageOf } from "./errors.ts"
import { MAX_LOG_LINE, STDERR_FLUSH_MS, STDERR_TAIL_LINES } from "./limits.ts"
import { encodeRankSpec, type RankSpec } from "./rank-spec.ts"

export interface RankExit {
  readonly code: number | null
  readonly signal: string | null
}

export interface RankProcess {
  readonly rank: number
  readonly pid: number
  /** Settles once, after the process is gone; never rejects. */
  readonly exited: Promise<RankExit>
  /** The last lines it wrote. */
  stderrTail(): readonly string[]
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
  /** A line that a rank wrote to stdout or stderr. */
  readonly onLine?: (rank: number, line: string) => void
}

export function createLocalLauncher(options: LocalLauncherOptions): RankLauncher {
  return { launch: (spec) => launchLocal(options, spec) }
}

async function launchLocal(options: LocalLauncherOptions, spec: RankSpec): Promise<RankProcess> {
  const [program, ...args] = options.command
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] })
  try {
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve)
      child.once("error", reject)
    })
  } catch (error) {
    throw new ControlError("launch_failed", `cannot start rank ${spec.rank}: ${messageOf(error)}`, error)
  }
  child.on("error", () => undefined)
  const { pid } = child
  if (pid === undefined) throw new ControlError("launch_failed", `rank ${spec.rank} has no process id`)

  const tail: string[] = []
  const keep = (stream: Readable) => {
    createInterface({ input: stream }).on("line", (line) => {
      const text = line.slice(0, MAX_LOG_LINE)
      tail.push(text)
      if (tail.length > STDERR_TAIL_LINES) tail.shift()
      options.onLine?.(spec.rank, text)
    })
  }
  keep(child.stdout)
  keep(child.stderr)

  let gone = false
  const exited = new Promise<RankExit>((resolve) => {
    child.once("exit", (code, signal) => {
      gone = true
      // The streams may hold its last words, or be held open by something it started: they get a moment only.
      const timer = setTimeout(() => finish(), STDERR_FLUSH_MS)
      const finish = () => {
        clearTimeout(timer)
        child.stdout.destroy()
        child.stderr.destroy()
        child.stdin.destroy()
        resolve({ code, signal })
      }
      child.once("close", finish)
    })
  })

  // It may die before it reads: its exit says so, not the pipe.
  child.stdin.on("error", () => undefined)
  child.stdin.write(encodeRankSpec(spec))

  let stopping = false
  return {
    rank: spec.rank,
    pid,
    exited,
    stderrTail: () => [...tail],
    async stop(graceMs) {
      if (!gone && graceMs <= 0) child.kill("SIGKILL")
      else if (!gone && !stopping) {
        stopping = true
        child.kill("SIGTERM")
        const timer = setTimeout(() => child.kill("SIGKILL"), graceMs)
        void exited.then(() => clearTimeout(timer))
      }
      return await exited
    },
  }
}

/** How a rank ended, in words, with its last line. */
export function describeExit(process: RankProcess, exit: RankExit): string {
  const how = exit.signal === null ? `ended with exit code ${exit.code}` : `was killed by ${exit.signal}`
  const last = process.stderrTail().findLast((line) => line.trim() !== "")
  return `rank ${process.rank} ${how}${last === undefined ? "" : `: ${last.trim()}`}`
}
