// Leads a rank to another one through a proxy that delays every byte. The proxy runs where the rank runs.

import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import type { Route } from "../rank-meeting.ts"

export interface DelayedRoute {
  readonly route: Route
  close(): void
}

/** `host`: where the proxy listens, of the rank that connects. `enter` stands before its command. */
export function createDelayedRoute(host: string, delayMs: number, enter: readonly string[]): DelayedRoute {
  const [program = "ip", ...before] = enter
  const script = fileURLToPath(new URL("./delay-proxy.js", import.meta.url))
  const child = spawn(program, [...before, process.execPath, script, host, String(delayMs)], {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    env: { ...process.env, NODE_OPTIONS: "" },
  })
  const waiting = new Map<number, (port: number) => void>()
  let asked = 0
  // Its own answers.
  child.on("message", (message) => {
    const { id, port } = message as { id: number; port: number }
    waiting.get(id)?.(port)
  })
  return {
    async route(from, to, address) {
      // Only the higher rank of a pair connects; a process asks for every address.
      if (to === "front" || to >= from) return address
      const id = asked++
      const port = await new Promise<number>((resolve) => {
        waiting.set(id, resolve)
        child.send({ id, address })
      })
      return { host, port }
    },
    close: () => void child.kill("SIGKILL"),
  }
}
