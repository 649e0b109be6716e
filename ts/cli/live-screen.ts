// What commands share that watch a server: a screen that stays current, resizes with the terminal, takes keys and waits
// for a server that went away; or lines for a pipe. Knows nothing of what is shown.

import { setTimeout as pause } from "node:timers/promises"
import { CommandError, EXIT, type Flags, type FlagValues } from "./command.ts"
import { isSet, numeral } from "./parse.ts"
import { type Paint, paintFor } from "./terminal.ts"

export interface ScreenSize {
  readonly columns: number
  readonly rows: number
}

export interface Watched {
  /** What is to be shown, as it comes; throws CommandError when the server is gone. */
  values(signal: AbortSignal, intervalMs: number): AsyncGenerator
  screen(value: unknown, size: ScreenSize, paint: Paint): readonly string[]
  /** A key other than q and Ctrl-C; the screen is drawn anew after it. */
  key?(typed: string): void
}

const INTERVAL_DEFAULT_S = 1
const RECONNECT_MS = 1000
/** Of a pipe, which has no size of its own. */
const PIPE_SIZE: ScreenSize = { columns: 160, rows: 60 }

export const WATCH_FLAGS: Flags = {
  interval: {
    type: "string",
    short: "i",
    value: "<s>",
    help: `seconds between screens (default ${INTERVAL_DEFAULT_S})`,
  },
  once: { type: "boolean", help: "one screen, then end" },
  json: { type: "boolean", help: "one line of JSON instead of each screen" },
}

const TERMINAL = {
  /** The alternate screen, so that the shell's own comes back; without a cursor. */
  enter: "\u001b[?1049h\u001b[?25l",
  leave: "\u001b[?25h\u001b[?1049l",
  home: "\u001b[H",
  clearLine: "\u001b[K",
  clearRest: "\u001b[J",
} as const

/** Draws in place: no flicker, and what a longer screen left behind is cleared. */
function draw(lines: readonly string[]): void {
  const text = lines.map((line) => `${line}${TERMINAL.clearLine}`).join("\r\n")
  process.stdout.write(`${TERMINAL.home}${text}${TERMINAL.clearRest}`)
}

/** Until q, Ctrl-C, or the first value where that is all that is wanted. Returns the exit code. */
export async function watchServer(flags: FlagValues, watched: Watched): Promise<number> {
  const intervalMs = (numeral(flags, "interval", { least: 0.2, most: 3600 }) ?? INTERVAL_DEFAULT_S) * 1000
  const once = isSet(flags, "once")
  const json = isSet(flags, "json")
  const live = process.stdout.isTTY && !once && !json
  const paint = paintFor(process.stdout)
  const stop = new AbortController()
  let exit: number = EXIT.ok
  let latest: unknown = null
  let trouble = ""

  const show = () => {
    if (json) {
      process.stdout.write(`${JSON.stringify(latest)}\n`)
      return
    }
    const { columns, rows } = process.stdout.isTTY ? process.stdout : PIPE_SIZE
    const lines = watched.screen(latest, { columns, rows: rows - (trouble === "" ? 0 : 1) }, paint)
    if (live) draw(trouble === "" ? lines : [paint("red", trouble), ...lines])
    else process.stdout.write(`${lines.join("\n")}\n`)
  }
  const redraw = () => {
    if (live && latest !== null) show()
  }
  const interrupt = () => {
    exit = EXIT.interrupted
    stop.abort()
  }
  const key = (typed: Buffer) => {
    const text = typed.toString()
    if (text === "q") stop.abort()
    else if (text === "\u0003") interrupt()
    else {
      watched.key?.(text)
      redraw()
    }
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
        for await (const value of watched.values(stop.signal, intervalMs)) {
          latest = value
          trouble = ""
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
}
