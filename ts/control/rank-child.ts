// A child process that runs a rank or leads to one: the lines it writes are kept, its end is known, nothing of it leaks.
// Knows neither what the child does nor how it is told to end.

import type { ChildProcessByStdio } from "node:child_process"
import { createInterface } from "node:readline"
import type { Readable, Writable } from "node:stream"
import { ControlError, messageOf } from "./errors.ts"
import { MAX_LOG_LINE, STDERR_FLUSH_MS, STDERR_TAIL_LINES } from "./limits.ts"

export interface RankExit {
  readonly code: number | null
  readonly signal: string | null
}

export interface RankChild {
  readonly pid: number
  readonly gone: boolean
  /** Settles once, after the process is gone; never rejects. */
  readonly exited: Promise<RankExit>
  /** The last lines it wrote. */
  tail(): readonly string[]
}

type Piped = ChildProcessByStdio<Writable, Readable, Readable>

/** Waits until the child runs. Rejects with ControlError launch_failed. */
export async function watchRankChild(child: Piped, name: string, onLine: (line: string) => void): Promise<RankChild> {
  // It may die before it reads: its exit says so, not the pipe.
  child.stdin.on("error", () => undefined)
  try {
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve)
      child.once("error", reject)
    })
  } catch (error) {
    throw new ControlError("launch_failed", `cannot start ${name}: ${messageOf(error)}`, error)
  }
  child.on("error", () => undefined)
  const { pid } = child
  if (pid === undefined) throw new ControlError("launch_failed", `${name} has no process id`)

  const tail: string[] = []
  const keep = (stream: Readable) => {
    createInterface({ input: stream }).on("line", (line) => {
      const text = line.slice(0, MAX_LOG_LINE)
      tail.push(text)
      if (tail.length > STDERR_TAIL_LINES) tail.shift()
      onLine(text)
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
  return {
    pid,
    get gone() {
      return gone
    },
    exited,
    tail: () => [...tail],
  }
}
