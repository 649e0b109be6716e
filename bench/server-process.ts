// A server under test: started, waited for, stopped. Any program that answers 200 on a path once it can serve.

import { type ChildProcess, spawn } from "node:child_process"
import { createServer } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"

export interface ServerProcess {
  readonly pid: number
  readonly url: string
  close(): Promise<void>
}

export interface ServerCommand {
  /** What to call it in an error. */
  readonly name: string
  /** The whole command line for a port. */
  readonly command: (port: number) => readonly string[]
  /** Answers 200 when the server is ready. */
  readonly readyPath: string
}

const READY_MS = 120_000
const POLL_MS = 100
const STOP_MS = 15_000
const STDERR_KEPT = 2000

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === "string") throw new Error("no free port")
  return address.port
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = new Promise((resolve) => child.once("exit", resolve))
  child.kill("SIGTERM")
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS)
  await exited
  clearTimeout(timer)
}

export async function startServerProcess({ name, command, readyPath }: ServerCommand): Promise<ServerProcess> {
  const port = await freePort()
  const [program = "", ...parameters] = command(port)
  const child = spawn(program, parameters, { stdio: ["ignore", "ignore", "pipe"] })
  let said = ""
  const ends: string[] = []
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-STDERR_KEPT)
  })
  child.once("error", (error) => {
    ends.push(error.message)
  })
  child.once("exit", (code, signal) => {
    ends.push(`it ended with ${code ?? signal}`)
  })
  const url = `http://127.0.0.1:${port}`
  const deadline = performance.now() + READY_MS
  for (;;) {
    if (ends.length > 0) throw new Error(`${name} did not start: ${ends.join(", ")}\n${said}`)
    const status = await fetch(`${url}${readyPath}`).then(
      (response) => response.status,
      () => 0,
    )
    if (status === 200 && child.pid !== undefined) return { pid: child.pid, url, close: () => stop(child) }
    if (performance.now() > deadline) {
      await stop(child)
      throw new Error(`${name} was not ready after ${READY_MS / 1000} s\n${said}`)
    }
    await sleep(POLL_MS)
  }
}

/** Our own server, as a user starts it. */
export function ownServer(root: string, model: string, flags: readonly string[]): ServerCommand {
  return {
    name: "mlx-cluster",
    readyPath: "/ready",
    command: (port) => [
      process.execPath,
      `${root}bin/mlx-cluster.js`,
      "serve",
      "--model",
      model,
      "--port",
      String(port),
      ...flags,
    ],
  }
}

/** The name under which a server lists its first model. */
export async function servedModel(url: string): Promise<string> {
  const list: unknown = await (await fetch(`${url}/v1/models`)).json()
  // Every server of this kind answers {data: [{id}]}.
  return (list as { data?: { id: string }[] }).data?.[0]?.id ?? "default"
}
