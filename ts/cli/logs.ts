// `mlx-cluster logs`: the newest lines of the front and of all ranks, filtered, and what comes after them.

import { existsSync, readFileSync } from "node:fs"
import { setTimeout as pause } from "node:timers/promises"
import { logPath, stateFolder } from "./background-server.ts"
import { type Command, CommandError, EXIT, type FlagValues, UsageError } from "./command.ts"
import { isSet, numeral, text } from "./parse.ts"
import { SERVER_FLAGS, type ServerAddress, ask, field, refusal, serverAddress } from "./server-client.ts"
import { paintFor, printable } from "./terminal.ts"

/** Between two questions while following. */
const POLL_MS = 500
/** Silence of the server after which following ends. */
const GONE_MS = 30_000
const LINES_DEFAULT = 200
const LINES_MAX = 2000

interface Line {
  readonly sequence: number
  readonly time: number
  readonly source: string
  readonly text: string
}

function linesOf(body: unknown): Line[] {
  const lines = field(body, "lines")
  return (Array.isArray(lines) ? lines : []).flatMap((line: unknown) => {
    const [sequence, time] = [field(line, "sequence"), field(line, "time")]
    const [source, words] = [field(line, "source"), field(line, "text")]
    const whole =
      typeof sequence === "number" &&
      typeof time === "number" &&
      typeof source === "string" &&
      typeof words === "string"
    return whole ? [{ sequence, time, source, text: words }] : []
  })
}

async function read(address: ServerAddress, after: number): Promise<Line[]> {
  const { status, body } = await ask(address, `/logs?after=${after}`)
  if (status !== 200) throw refusal(status, body)
  return linesOf(body)
}

function matcher(pattern: string | undefined): (line: Line) => boolean {
  if (pattern === undefined) return () => true
  try {
    const expression = new RegExp(pattern, "i")
    return (line) => expression.test(`${line.source}: ${line.text}`)
  } catch (cause) {
    throw new UsageError(`--match is no regular expression: ${JSON.stringify(pattern)}`, { cause })
  }
}

function clock(time: number): string {
  return new Date(time).toLocaleTimeString("en-GB", { hour12: false })
}

/** The end of the log file of `up`, where there is one and no address was asked for. */
function showFile(flags: FlagValues, count: number): boolean {
  if (text(flags, "url") !== undefined || process.env["MLX_CLUSTER_URL"] !== undefined) return false
  const path = logPath(stateFolder({}))
  if (!existsSync(path)) return false
  process.stderr.write(`no server answers; the end of ${path}:\n`)
  const lines = readFileSync(path, "utf8").trimEnd().split("\n")
  process.stdout.write(`${lines.slice(-count).map(printable).join("\n")}\n`)
  return true
}

export const logs: Command = {
  name: "logs",
  summary: "show the log of a running server and all its ranks",
  usage: "[options]",
  flags: {
    follow: { type: "boolean", short: "f", help: "go on with what comes, until Ctrl-C" },
    lines: { type: "string", short: "n", value: "<n>", help: `lines at most (default ${LINES_DEFAULT})` },
    rank: { type: "string", value: "<n>", help: "only this rank" },
    match: { type: "string", value: "<regexp>", help: "only lines that match, in either case" },
    json: { type: "boolean", help: "one JSON object a line" },
    ...SERVER_FLAGS,
  },
  positionals: false,
  examples: [
    ["mlx-cluster logs", "the newest lines"],
    ["mlx-cluster logs --follow --rank 1 --match error", "errors of one rank as they come"],
  ],
  notes: ["Exit codes: 0 done, 1 failed or no server, 2 wrong command line, 130 interrupted."],
  async run({ flags }) {
    const address = serverAddress(flags)
    const count = numeral(flags, "lines", { least: 1, most: LINES_MAX, whole: true }) ?? LINES_DEFAULT
    const rank = numeral(flags, "rank", { least: 0, whole: true })
    const matches = matcher(text(flags, "match"))
    const wanted = (line: Line) => (rank === undefined || line.source === `rank ${rank}`) && matches(line)
    const paint = paintFor(process.stdout)
    const show = (line: Line) => {
      const { source, text: words } = line
      const plain = `${paint("gray", clock(line.time))} ${paint("cyan", printable(source).padEnd(7))} ${printable(words)}`
      process.stdout.write(`${isSet(flags, "json") ? JSON.stringify(line) : plain}\n`)
    }

    const stop = new AbortController()
    let interrupted = false
    const interrupt = () => {
      interrupted = true
      stop.abort()
    }
    process.once("SIGINT", interrupt)
    // A reader such as `head` may close the pipe; that is no error.
    process.stdout.on("error", () => stop.abort())
    try {
      const first = await read(address, 0).catch((error: unknown) => {
        // A server that has ended has left its words behind.
        if (!showFile(flags, count)) throw error
        return null
      })
      if (first === null) return EXIT.ok
      for (const line of first.filter(wanted).slice(-count)) show(line)
      let last = first.at(-1)?.sequence ?? 0
      let heardMs = performance.now()
      while (isSet(flags, "follow") && !stop.signal.aborted) {
        await pause(POLL_MS, undefined, { signal: stop.signal }).catch(() => undefined)
        if (stop.signal.aborted) break
        try {
          const fresh = await read(address, last)
          heardMs = performance.now()
          for (const line of fresh.filter(wanted)) show(line)
          last = fresh.at(-1)?.sequence ?? last
        } catch (error) {
          // It may be starting again; then its numbers begin anew.
          if (performance.now() - heardMs > GONE_MS || !(error instanceof CommandError)) throw error
          last = 0
        }
      }
      return interrupted ? EXIT.interrupted : EXIT.ok
    } finally {
      process.off("SIGINT", interrupt)
    }
  },
}
