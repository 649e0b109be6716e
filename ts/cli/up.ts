// `mlx-cluster up`: `serve` in the background. Waits until the server is ready, so that the next command finds it.

import { spawn } from "node:child_process"
import { closeSync, openSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import {
  forgetBackgroundServer,
  openLog,
  processStart,
  readBackgroundServer,
  stateFolder,
  writeBackgroundServer,
} from "./background-server.ts"
import { type Command, CommandError, EXIT, type FlagValues, UsageError } from "./command.ts"
import { packageRoot } from "./package-info.ts"
import { isSet, numeral } from "./parse.ts"
import { serve, serveOptions } from "./serve.ts"
import { endServer } from "./down.ts"

/** A large model from a slow disk. */
const WAIT_DEFAULT_S = 600
const WAIT_MAX_S = 86_400
const POLL_MS = 100
const READY = /^mlx-cluster serves .* at (http:\S+) /m

/** The words of a command line that say the same as the flags. */
function words(flags: FlagValues): string[] {
  return Object.entries(flags).flatMap(([name, value]) => {
    if (!(name in serve.flags) || value === undefined || value === false) return []
    if (value === true) return [`--${name}`]
    const values = typeof value === "string" ? [value] : value
    return values.map((each) => `--${name}=${String(each)}`)
  })
}

export const up: Command = {
  name: "up",
  summary: "start the server in the background and wait until it is ready",
  usage: "[options]",
  flags: {
    ...serve.flags,
    wait: { type: "string", value: "<s>", help: `seconds that it may take to load (default ${WAIT_DEFAULT_S})` },
    json: { type: "boolean", help: "where it serves, as JSON, one line" },
  },
  positionals: false,
  examples: [
    ["mlx-cluster up --model mlx-community/Qwen3-8B-4bit", "over the hosts of hostfile.json"],
    ["mlx-cluster up --local-ranks 2 && mlx-cluster status", "two processes of this machine"],
  ],
  notes: [
    "Takes the options of serve. Its output goes to server.log in the state folder.",
    "Exit codes: 0 ready, 1 failed or a server runs already, 2 wrong command line or files, 130 interrupted.",
  ],
  async run({ flags }) {
    // What is wrong with the command line is said here, and not in a log.
    serveOptions(flags)
    const waitMs = (numeral(flags, "wait", { least: 1, most: WAIT_MAX_S }) ?? WAIT_DEFAULT_S) * 1000
    const folder = stateFolder(flags)
    const running = readBackgroundServer(folder)
    if (running !== null) {
      const where = running.url === "" ? "is loading" : `serves at ${running.url}`
      throw new CommandError(`a server ${where} already (process ${running.pid}): mlx-cluster down ends it`)
    }
    const log = openLog(folder)
    const from = statSync(log, { throwIfNoEntry: false })?.size ?? 0
    const output = openSync(log, "a", 0o600)
    const program = join(packageRoot(), "bin", "mlx-cluster.js")
    const child = spawn(process.execPath, [program, "serve", ...words({ ...flags, "state-dir": folder })], {
      // A group of its own: Ctrl-C in this terminal later on is not meant for it.
      detached: true,
      stdio: ["ignore", output, output],
    })
    closeSync(output)
    const { pid } = child
    if (pid === undefined) throw new CommandError("the server could not be started")
    const server = { pid, started: processStart(pid), url: "", log }
    writeBackgroundServer(folder, server)

    const said = () => readFileSync(log).subarray(from).toString("utf8")
    const stop = new AbortController()
    let exit: number | null = null
    child.once("exit", (code) => {
      exit = code ?? EXIT.failed
      stop.abort()
    })
    let interrupted = false
    const interrupt = () => {
      interrupted = true
      stop.abort()
    }
    process.once("SIGINT", interrupt)
    process.once("SIGTERM", interrupt)
    const deadline = performance.now() + waitMs
    try {
      while (!stop.signal.aborted && performance.now() < deadline) {
        const url = READY.exec(said())?.[1]
        if (url !== undefined) {
          writeBackgroundServer(folder, { ...server, url })
          child.unref()
          const line =
            said()
              .split("\n")
              .find((each) => READY.test(each)) ?? ""
          if (isSet(flags, "json")) console.log(JSON.stringify({ ...server, url }))
          else console.log(`${line}\nprocess ${pid}, log ${log}; mlx-cluster down ends it`)
          return EXIT.ok
        }
        await pause(POLL_MS, undefined, { signal: stop.signal }).catch(() => undefined)
      }
      if (exit !== null) {
        forgetBackgroundServer(folder)
        // Ranks may write after the server has said why it ends.
        const lines = said().trimEnd().split("\n")
        const last = lines.findLast((line) => line.startsWith("mlx-cluster: ")) ?? lines.at(-1) ?? ""
        const reason = last.replace(/^mlx-cluster: /, "") || `it ended with code ${String(exit)}`
        throw exit === EXIT.usage ? new UsageError(reason) : new CommandError(`${reason} (log: ${log})`)
      }
      await endServer(folder, server, 0)
      if (interrupted) return EXIT.interrupted
      throw new CommandError(`the server was not ready within ${waitMs / 1000} s and was ended; its log is ${log}`)
    } finally {
      process.off("SIGINT", interrupt)
      process.off("SIGTERM", interrupt)
    }
  },
}
