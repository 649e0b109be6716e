// A server of this program as a child, for as long as a command needs one. What it says is kept for the error.

import { spawn } from "node:child_process"
import { join } from "node:path"
import { CommandError, EXIT, UsageError } from "./command.ts"
import { packageRoot } from "./package-info.ts"

export interface ServeChild {
  /** "http://127.0.0.1:1234". */
  readonly url: string
  /** Ends it with all its ranks. Idempotent. */
  close(): Promise<void>
}

const READY = / at (http:\S+) /
/** SIGTERM to SIGKILL: its ranks get 5 s, those on other hosts 3 s more. */
const END_MS = 20_000

/** `words`: of `serve`. Rejects with the server's last line when it ends, or is not ready in time. */
export async function startServeChild(words: readonly string[], readyMs: number): Promise<ServeChild> {
  const program = join(packageRoot(), "bin", "mlx-cluster.js")
  const child = spawn(process.execPath, [program, "serve", ...words, "--port", "0", "--host", "127.0.0.1"], {
    stdio: ["ignore", "pipe", "pipe"],
  })
  let last = ""
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    // Ranks may write after the server has said why it ends.
    const lines = text.trimEnd().split("\n")
    last =
      lines.findLast((line) => line.startsWith("mlx-cluster: ")) ??
      (last.startsWith("mlx-cluster: ") ? last : (lines.at(-1) ?? ""))
  })
  const ended = new Promise<void>((resolve) => {
    child.once("close", () => resolve())
    child.once("error", () => resolve())
  })
  const close = async (): Promise<void> => {
    const timer = setTimeout(() => child.kill("SIGKILL"), END_MS)
    child.kill("SIGTERM")
    await ended
    clearTimeout(timer)
  }
  const timeout = new AbortController()
  const timer = setTimeout(() => timeout.abort(), readyMs)
  try {
    const url = await new Promise<string>((resolve, reject) => {
      let said = ""
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        said += text
        const found = READY.exec(said)?.[1]
        if (found !== undefined) resolve(found)
      })
      void ended.then(() => {
        const reason = last.replace(/^mlx-cluster: /, "") || "the server ended"
        reject(child.exitCode === EXIT.usage ? new UsageError(reason) : new CommandError(reason))
      })
      timeout.signal.addEventListener("abort", () =>
        reject(new CommandError(`the server was not ready within ${readyMs / 1000} s: ${last}`)),
      )
    })
    return { url, close }
  } catch (error) {
    await close()
    throw error
  } finally {
    clearTimeout(timer)
  }
}
