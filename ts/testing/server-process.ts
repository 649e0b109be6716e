// Starts server-child.ts, waits for its line, and sees to it that nothing stays behind.

import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import type { ServeOptions } from "../main.ts"

export interface ServerProcess {
  readonly child: ChildProcess
  /** "http://127.0.0.1:1234", when it is ready; rejects when it ends before. */
  readonly ready: Promise<string>
  readonly ended: Promise<{ readonly code: number | null; readonly stderr: string }>
  /** Process ids of its ranks, now. */
  ranks(): number[]
}

const READY_MS = 60_000

/** `enter`: what stands before the command, such as `ip netns exec one`. */
export function startServer(options: ServeOptions, enter: readonly string[] = []): ServerProcess {
  // Without the options that tap gives to all that a test starts: its code in the server would be measured with it.
  const [program, ...before] = [...enter, "env"]
  const child = spawn(
    program,
    [
      ...before,
      "-u",
      "NODE_OPTIONS",
      process.execPath,
      fileURLToPath(new URL("./server-child.js", import.meta.url)),
      "serve",
      JSON.stringify(options),
    ],
    { stdio: ["ignore", "pipe", "pipe"] },
  )
  let stdout = ""
  let stderr = ""
  const ended = new Promise<{ code: number | null; stderr: string }>((resolve) => {
    child.once("close", (code) => resolve({ code, stderr }))
  })
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text
  })
  const ready = new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not ready in ${READY_MS} ms: ${stderr}`)), READY_MS)
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text
      const address = /at (http:\S+) /.exec(stdout)?.[1]
      if (address === undefined) return
      clearTimeout(timer)
      resolve(address)
    })
    void ended.then(({ code }) => {
      clearTimeout(timer)
      reject(new Error(`ended with ${code}: ${stderr}`))
    })
  })
  ready.catch(() => undefined)
  return { child, ready, ended, ranks: () => childrenOf(child.pid ?? 0) }
}

function childrenOf(parent: number): number[] {
  const { stdout } = spawnSync("ps", ["-A", "-o", "pid=,ppid=,args="], { encoding: "utf8" })
  return stdout
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([, ppid, ...args]) => Number(ppid) === parent && args.join(" ").includes("mlx-cluster rank"))
    .map(([pid]) => Number(pid))
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
