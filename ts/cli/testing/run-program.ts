// Runs the real program as a child process, as a shell would, and small servers for it to talk to.

import { spawn } from "node:child_process"
import { type IncomingMessage, type ServerResponse, createServer } from "node:http"
import { join } from "node:path"
import { packageRoot } from "../package-info.ts"

const DEADLINE_MS = 30_000

export interface Run {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly input?: string
  readonly deadlineMs?: number
  readonly env?: Readonly<Record<string, string>>
  /** Called with everything written to standard output so far. */
  readonly onOutput?: (stdout: string, interrupt: () => void) => void
}

export function runProgram(args: readonly string[], options: RunOptions = {}): Promise<Run> {
  const child = spawn(process.execPath, [join(packageRoot(), "bin", "mlx-cluster.js"), ...args], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { PATH: process.env["PATH"] ?? "", ...options.env },
    timeout: options.deadlineMs ?? DEADLINE_MS,
    killSignal: "SIGKILL",
  })
  let [stdout, stderr] = ["", ""]
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text
    options.onOutput?.(stdout, () => child.kill("SIGINT"))
  })
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text))
  child.stdin.on("error", () => {})
  child.stdin.end(options.input ?? "")
  return new Promise((resolve, reject) => {
    child.on("error", reject)
    child.on("close", (code) => resolve({ code, stdout, stderr }))
  })
}

export interface TestServer {
  readonly url: string
  close(): Promise<void>
}

export async function startTestServer(
  handle: (request: IncomingMessage, body: string, response: ServerResponse) => void,
): Promise<TestServer> {
  const server = createServer((request, response) => {
    let body = ""
    request.setEncoding("utf8")
    request.on("data", (part: string) => (body += part))
    request.on("end", () => handle(request, body, response))
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("the test server has no port")
  return {
    url: `http://127.0.0.1:${address.port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
