// `mlx-cluster down`: ends the server that `up` has started, with every process of its own, and no other.

import { setTimeout as pause } from "node:timers/promises"
import {
  type BackgroundServer,
  descendants,
  forgetBackgroundServer,
  processStart,
  readBackgroundServer,
  STATE_FLAG,
  stateFolder,
} from "./background-server.ts"
import { type Command, EXIT } from "./command.ts"
import { isSet, numeral } from "./parse.ts"

const GRACE_DEFAULT_S = 30
const GRACE_MAX_S = 3600
/** Beyond the grace: ranks on other hosts are ended too. */
const RANKS_MS = 15_000
const POLL_MS = 50

/**
 * SIGTERM, which lets running requests finish; a second one after the grace, which does not; SIGKILL when that did not
 * help. Resolves with how it ended, when neither the server nor a process that it had started is left.
 */
export async function endServer(
  folder: string,
  server: BackgroundServer,
  graceMs: number,
): Promise<"ended" | "hurried" | "killed"> {
  const own = [server.pid, ...descendants(server.pid)].map((pid) => ({ pid, started: processStart(pid) }))
  const alive = () => own.filter(({ pid, started }) => started !== "" && processStart(pid) === started)
  const signal = (pid: number, name: NodeJS.Signals) => {
    try {
      process.kill(pid, name)
    } catch {
      // It ended by itself.
    }
  }
  const within = async (ms: number): Promise<boolean> => {
    const deadline = performance.now() + ms
    while (alive().length > 0) {
      if (performance.now() >= deadline) return false
      await pause(POLL_MS)
    }
    return true
  }
  signal(server.pid, "SIGTERM")
  let how: "ended" | "hurried" | "killed" = "ended"
  if (!(await within(graceMs))) {
    how = "hurried"
    signal(server.pid, "SIGTERM")
    if (!(await within(RANKS_MS))) {
      how = "killed"
      for (const { pid } of alive()) signal(pid, "SIGKILL")
      await within(RANKS_MS)
    }
  }
  forgetBackgroundServer(folder)
  return how
}

const WORDS = {
  none: "no server runs that mlx-cluster up has started",
  ended: "ended",
  hurried: "ended; running requests were cut off",
  killed: "killed: it did not end by itself",
} as const

export const down: Command = {
  name: "down",
  summary: "end the server that up has started, and all its ranks",
  usage: "[options]",
  flags: {
    now: { type: "boolean", help: "do not wait for running requests" },
    wait: {
      type: "string",
      value: "<s>",
      help: `seconds that running requests get to finish (default ${GRACE_DEFAULT_S})`,
    },
    json: { type: "boolean", help: "what was done, as JSON, one line" },
    ...STATE_FLAG,
  },
  positionals: false,
  examples: [
    ["mlx-cluster down", "running requests finish first"],
    ["mlx-cluster down --now", "at once"],
  ],
  notes: ["Exit codes: 0 no server is left, 1 failed, 2 wrong command line."],
  async run({ flags }) {
    const folder = stateFolder(flags)
    const graceMs = (numeral(flags, "wait", { least: 0, most: GRACE_MAX_S }) ?? GRACE_DEFAULT_S) * 1000
    const server = readBackgroundServer(folder)
    const how = server === null ? "none" : await endServer(folder, server, isSet(flags, "now") ? 0 : graceMs)
    if (server === null) forgetBackgroundServer(folder)
    if (isSet(flags, "json")) console.log(JSON.stringify({ pid: server?.pid ?? null, result: how }))
    else console.log(server === null ? WORDS.none : `server ${server.pid} ${WORDS[how]}`)
    return EXIT.ok
  },
}
