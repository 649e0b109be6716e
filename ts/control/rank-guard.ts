// The other host's end of a rank that was started over ssh: a small process that starts the rank as its child, hands it
// its start line, and ends it for certain when it is told to, when its standard input closes (ssh or the front is gone)
// or when the front is silent for too long. Whatever state the rank is in, SIGKILL reaches it from here.

import { spawn } from "node:child_process"
import { constants } from "node:os"
import { createInterface } from "node:readline"
import { Type, type Static } from "typebox"
import { Compile } from "typebox/compile"
import { ControlError } from "./errors.ts"
import { GUARD_LEASE_MS, MAX_SPEC_BYTES, SPEC_TIMEOUT_MS } from "./limits.ts"
import { encodeRankSpec, type RankSpec } from "./rank-spec.ts"

// Standard input, a line each: the start, then any of these.
const BEAT = "beat"
const STOP = "stop"

const Start = Type.Object({
  env: Type.Record(Type.String(), Type.String()),
  /** The rank's own start line, which holds the secret: it goes through, unread. */
  spec: Type.String({ maxLength: MAX_SPEC_BYTES }),
})
const startValidator = Compile(Start)

export function encodeGuardStart(spec: RankSpec, env: Readonly<Record<string, string>>): string {
  const start: Static<typeof Start> = { env: { ...env }, spec: encodeRankSpec(spec) }
  return `${JSON.stringify(start)}\n`
}

export const encodeGuardBeat = (): string => `${BEAT}\n`
/** Grace 0 is SIGKILL at once. */
export const encodeGuardStop = (graceMs: number): string => `${STOP} ${Math.round(graceMs)}\n`

/** A process that was ended by a signal, as a shell says it. */
const SIGNAL_EXIT = 128

/** The signal behind an exit code of runRankGuard. */
export function guardSignal(code: number): string | null {
  const found = Object.entries(constants.signals).find(([, number]) => number === code - SIGNAL_EXIT)
  return code > SIGNAL_EXIT && found !== undefined ? found[0] : null
}

/** Runs one rank. Resolves with the exit code when the rank is gone. `command` is program and arguments of a rank. */
export function runRankGuard(command: readonly [string, ...string[]], input: NodeJS.ReadableStream): Promise<number> {
  return new Promise((resolve, reject) => {
    let child: ReturnType<typeof start> | null = null
    let over = false
    const refuse = (text: string) => {
      if (child !== null || over) return
      over = true
      clearTimeout(timer)
      lines.close()
      reject(new ControlError("launch_failed", `${text}; a guard is started over ssh by mlx-cluster serve`))
    }
    const kill = () => {
      if (child === null) refuse("standard input ended before the start line")
      else child.kill("SIGKILL")
    }
    let timer = setTimeout(() => refuse("no start line on standard input"), SPEC_TIMEOUT_MS)
    const renewLease = () => {
      clearTimeout(timer)
      timer = setTimeout(() => {
        process.stderr.write(`the front was silent for ${GUARD_LEASE_MS / 1000} s: this rank ends\n`)
        kill()
      }, GUARD_LEASE_MS)
    }

    function start(line: string) {
      const value: unknown = JSON.parse(line)
      if (!startValidator.Check(value)) throw new ControlError("launch_failed", "the start line is wrong")
      const [program, ...args] = command
      const rank = spawn(program, args, {
        stdio: ["pipe", "inherit", "inherit"],
        env: { ...process.env, ...value.env },
      })
      rank.stdin.on("error", () => undefined)
      rank.stdin.write(value.spec)
      rank.once("error", (error) => {
        process.stderr.write(`cannot start the rank: ${error.message}\n`)
        finish(1)
      })
      rank.once("exit", (code, signal) =>
        finish(signal === null ? (code ?? 1) : SIGNAL_EXIT + constants.signals[signal]),
      )
      return rank
    }

    function finish(code: number): void {
      if (over) return
      over = true
      clearTimeout(timer)
      clearTimeout(graceTimer)
      lines.close()
      resolve(code)
    }

    let graceTimer: NodeJS.Timeout | undefined
    const lines = createInterface({ input })
    lines.on("line", (line) => {
      if (over) return
      if (child === null) {
        try {
          child = start(line)
          renewLease()
        } catch {
          refuse("the start line is wrong")
        }
        return
      }
      renewLease()
      const [word, value] = line.split(" ")
      if (word !== STOP) return
      const graceMs = Number(value)
      if (!(graceMs > 0)) kill()
      else {
        child.kill("SIGTERM")
        clearTimeout(graceTimer)
        graceTimer = setTimeout(kill, graceMs)
      }
    })
    lines.on("close", () => {
      if (!over) kill()
    })
    input.on("error", kill)
    // A dead connection must not leave the guard standing in a write.
    for (const signal of ["SIGTERM", "SIGHUP", "SIGINT"] as const) process.on(signal, kill)
  })
}
