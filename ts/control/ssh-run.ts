// Runs a script on another host with the system's ssh and waits for its end. Every run has a deadline; ssh's refusals come
// as errors that say what to do.

import { spawn } from "node:child_process"
import { pipeline } from "node:stream/promises"
import type { Readable } from "node:stream"
import { ControlError, messageOf } from "./errors.ts"
import { SSH_OUTPUT_BYTES } from "./limits.ts"
import { explainSsh, SSH_FAILED, sshArguments, type SshOptions } from "./ssh.ts"

export interface SshRunOptions extends SshOptions {
  readonly timeoutMs: number
  /** Sent to the script's standard input; without it there is none. */
  readonly input?: Readable | string | undefined
  /** Lines as they come, of both streams. */
  readonly onLine?: ((line: string) => void) | undefined
}

export interface SshResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Rejects with ControlError ssh_failed where the host cannot be reached or the deadline passes. */
export async function runOverSsh(host: string, script: string, options: SshRunOptions): Promise<SshResult> {
  const child = spawn("ssh", sshArguments(host, script, options), { stdio: ["pipe", "pipe", "pipe"] })
  const out = collect(child.stdout, options.onLine)
  const err = collect(child.stderr, options.onLine)
  let late = false
  const timer = setTimeout(() => {
    late = true
    child.kill("SIGKILL")
  }, options.timeoutMs)
  // A script that ends early closes its input: its exit code says so.
  child.stdin.on("error", () => undefined)
  let inputError: unknown = null
  if (options.input === undefined || typeof options.input === "string") child.stdin.end(options.input ?? "")
  else {
    pipeline(options.input, child.stdin).catch((error: NodeJS.ErrnoException) => {
      // The other end left first.
      if (error.code === "EPIPE" || error.code === "ERR_STREAM_PREMATURE_CLOSE") return
      inputError = error
      child.kill("SIGKILL")
    })
  }
  try {
    const code = await new Promise<number>((resolve, reject) => {
      child.once("error", (error) =>
        reject(new ControlError("ssh_failed", `cannot run ssh: ${messageOf(error)}: install OpenSSH`, error)),
      )
      child.once("close", (status) => resolve(status ?? SSH_FAILED))
    })
    if (inputError !== null)
      throw new ControlError("ssh_failed", `what ${host} was to get: ${messageOf(inputError)}`, inputError)
    if (late) throw new ControlError("ssh_failed", `${host} did not finish within ${options.timeoutMs / 1000} s`)
    if (code === SSH_FAILED) throw new ControlError("ssh_failed", explainSsh(host, err.text().split("\n")))
    return { code, stdout: out.text(), stderr: err.text() }
  } finally {
    clearTimeout(timer)
  }
}

function collect(stream: Readable, onLine: ((line: string) => void) | undefined): { text(): string } {
  let text = ""
  let line = ""
  stream.setEncoding("utf8")
  stream.on("data", (part: string) => {
    // The beginning counts; a host that never stops talking does not fill the memory.
    if (text.length < SSH_OUTPUT_BYTES) text += part
    if (onLine === undefined) return
    const lines = `${line}${part}`.split("\n")
    line = lines.pop() ?? ""
    for (const each of lines) onLine(each)
  })
  return { text: () => text }
}
