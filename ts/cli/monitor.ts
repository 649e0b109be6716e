// `mlx-cluster monitor`: one screen of a running server that stays current, resizes with the terminal and comes back when
// the server does.

import { setTimeout as pause } from "node:timers/promises"
import { type Command, CommandError, EXIT } from "./command.ts"
import { monitorScreen } from "./monitor-screen.ts"
import { isSet, numeral } from "./parse.ts"
import { SERVER_FLAGS, type ServerAddress, field, refusal, send, serverAddress } from "./server-client.ts"
import { serverSentData } from "./server-sent-data.ts"
import { paintFor } from "./terminal.ts"

const INTERVAL_DEFAULT_S = 1
/** The server sends a snapshot every second; silence for so long means that it is gone. */
const SILENCE_MS = 10_000
const RECONNECT_MS = 1000

const TERMINAL = {
  /** The alternate screen, so that the shell's own comes back; without a cursor. */
  enter: "\u001b[?1049h\u001b[?25l",
  leave: "\u001b[?25h\u001b[?1049l",
  home: "\u001b[H",
  clearLine: "\u001b[K",
  clearRest: "\u001b[J",
} as const

/** Every snapshot of the server's event stream; panels for browsers are passed over. Throws when the stream ends. */
async function* snapshots(address: ServerAddress, signal: AbortSignal): AsyncGenerator {
  const silence = new AbortController()
  const silent = () => silence.abort(new CommandError(`the server was silent for ${SILENCE_MS / 1000} s`))
  let timer = setTimeout(silent, SILENCE_MS)
  const touch = () => {
    clearTimeout(timer)
    timer = setTimeout(silent, SILENCE_MS)
  }
  try {
    const response = await send(address, "/events", { signal: AbortSignal.any([signal, silence.signal]) })
    if (!response.ok) throw refusal(response.status, await response.json().catch(() => null))
    for await (const data of serverSentData(response.body, touch)) {
      // Panels are HTML; the snapshot is an object.
      if (data.startsWith("{")) yield JSON.parse(data)
    }
  } catch (error) {
    throw error instanceof CommandError ? error : new CommandError("the connection was lost", { cause: error })
  } finally {
    clearTimeout(timer)
  }
  throw new CommandError("the server ended the connection")
}

/** Draws in place: no flicker, and what a longer screen left behind is cleared. */
function draw(lines: readonly string[]): void {
  const text = lines.map((line) => `${line}${TERMINAL.clearLine}`).join("\r\n")
  process.stdout.write(`${TERMINAL.home}${text}${TERMINAL.clearRest}`)
}

export const monitor: Command = {
  name: "monitor",
  summary: "watch a running server: throughput, latency, ranks, requests, errors",
  usage: "[options]",
  flags: {
    interval: {
      type: "string",
      short: "i",
      value: "<s>",
      help: `seconds between screens (default ${INTERVAL_DEFAULT_S})`,
    },
    once: { type: "boolean", help: "one screen, then end" },
    json: { type: "boolean", help: "one snapshot a line, as JSON" },
    ...SERVER_FLAGS,
  },
  positionals: false,
  examples: [
    ["mlx-cluster monitor", "until q or Ctrl-C"],
    ["mlx-cluster monitor --json --interval 10 >> watch.jsonl", "a record to look at later"],
  ],
  notes: ["Exit codes: 0 ended by q or --once, 1 failed or no server, 2 wrong command line, 130 interrupted."],
  async run({ flags }) {
    const address = serverAddress(flags)
    const intervalMs = (numeral(flags, "interval", { least: 0.2, most: 3600 }) ?? INTERVAL_DEFAULT_S) * 1000
    const once = isSet(flags, "once")
    const live = process.stdout.isTTY && !once && !isSet(flags, "json")
    const paint = paintFor(process.stdout)
    const stop = new AbortController()
    let exit: number = EXIT.ok
    let latest: unknown = null
    let trouble = ""

    const show = () => {
      const size = {
        columns: process.stdout.columns ?? 100,
        rows: (process.stdout.rows ?? 60) - (trouble === "" ? 0 : 1),
      }
      if (isSet(flags, "json")) process.stdout.write(`${JSON.stringify(latest)}\n`)
      else {
        const lines = monitorScreen(address.url.origin, latest, size, paint)
        if (live) draw(trouble === "" ? lines : [paint("red", trouble), ...lines])
        else process.stdout.write(`${lines.join("\n")}\n`)
      }
    }
    const interrupt = () => {
      exit = EXIT.interrupted
      stop.abort()
    }
    const key = (typed: Buffer) => {
      const text = typed.toString()
      if (text === "q") stop.abort()
      else if (text === "\u0003") interrupt()
    }
    const redraw = () => {
      if (live && latest !== null) show()
    }
    process.once("SIGINT", interrupt)
    process.once("SIGTERM", interrupt)
    process.stdout.on("error", () => stop.abort())
    process.stdout.on("resize", redraw)
    const keys = live && process.stdin.isTTY ? process.stdin : null
    keys?.setRawMode(true).on("data", key)
    if (live) process.stdout.write(TERMINAL.enter)

    try {
      let shownMs = -Infinity
      while (!stop.signal.aborted) {
        try {
          for await (const snapshot of snapshots(address, stop.signal)) {
            latest = snapshot
            trouble = ""
            if (field(snapshot, "uptime_s") === undefined) continue
            // A little early is on time: the server's own second is not exact.
            if (performance.now() - shownMs < intervalMs * 0.9) continue
            shownMs = performance.now()
            show()
            if (once) return EXIT.ok
          }
        } catch (error) {
          if (stop.signal.aborted) break
          // Only a screen that people watch waits for the server to come back.
          if (!live || latest === null || !(error instanceof CommandError)) throw error
          trouble = `${error.message} (trying again)`
          redraw()
          await pause(RECONNECT_MS, undefined, { signal: stop.signal }).catch(() => undefined)
        }
      }
      return exit
    } finally {
      stop.abort()
      if (live) process.stdout.write(TERMINAL.leave)
      keys?.off("data", key).setRawMode(false).pause()
      process.stdout.off("resize", redraw)
      process.off("SIGINT", interrupt)
      process.off("SIGTERM", interrupt)
    }
  },
}
