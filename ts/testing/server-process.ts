// Starts server-child.ts, waits for its line, and sees to it that nothing stays behind.

import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import type { ServeOptions } from "../main.ts"
import { answerRoutes } from "./routes.ts"

export interface ServerProcess {
  readonly child: ChildProcess
  /** "http://127.0.0.1:1234", when it is ready; rejects when it ends before. */
  readonly ready: Promise<string>
  readonly ended: Promise<{ readonly code: number | null; readonly stderr: string }>
  /** Resolves with the next line of its log that matches. */
  line(pattern: RegExp): Promise<string>
  /** Process ids of its ranks, now. */
  ranks(): number[]
}

const READY_MS = 60_000

export interface ServerSurroundings {
  readonly env?: NodeJS.ProcessEnv
  /** Answers where the server's ranks are to connect. */
  readonly route?: Parameters<typeof answerRoutes>[1]
  /** What stands before the command, such as `ip netns exec one`. */
  readonly enter?: readonly string[]
}

export function startServer(options: ServeOptions, { env, route, enter = [] }: ServerSurroundings = {}): ServerProcess {
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
    {
      stdio: ["ignore", "pipe", "pipe", ...(route === undefined ? [] : ["ipc" as const])],
      env: { ...process.env, ...env },
    },
  )
  if (route !== undefined) answerRoutes(child, route)
  const watchers = new Set<(line: string) => void>()
  let stdout = ""
  let stderr = ""
  const ended = new Promise<{ code: number | null; stderr: string }>((resolve) => {
    child.once("close", (code) => resolve({ code, stderr }))
  })
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    const begun = stderr.lastIndexOf("\n") + 1
    stderr += text
    const lines = stderr.slice(begun).split("\n").slice(0, -1)
    for (const line of lines) for (const watch of watchers) watch(line)
  })
  const ready = new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not ready in ${READY_MS} ms: ${stderr}`)), READY_MS)
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
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
  const line = (pattern: RegExp): Promise<string> =>
    new Promise((resolve) => {
      const watch = (text: string) => {
        if (!pattern.test(text)) return
        watchers.delete(watch)
        resolve(text)
      }
      watchers.add(watch)
    })
  return { child, ready, ended, line, ranks: () => childrenOf(child.pid ?? 0) }
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
