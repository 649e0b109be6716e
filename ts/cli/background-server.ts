// The server that `up` has started and `down` ends: a file in the state folder says which process it is. A process counts
// as that server only while its start time is the one noted: a process id alone may be another program's by now.

import { spawnSync } from "node:child_process"
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { homedir } from "node:os"
import { join, resolve } from "node:path"
import type { Flags, FlagValues } from "./command.ts"
import { text } from "./parse.ts"

export interface BackgroundServer {
  readonly pid: number
  /** As `ps` writes it. */
  readonly started: string
  /** Empty while it loads. */
  readonly url: string
  readonly log: string
}

export const STATE_FLAG: Flags = {
  "state-dir": {
    type: "string",
    value: "<folder>",
    help: "secret, log and process id of the server (default ~/.mlx-jaccl-cluster, or MLX_CLUSTER_STATE)",
  },
}

export function stateFolder(flags: FlagValues): string {
  const written = text(flags, "state-dir") ?? process.env["MLX_CLUSTER_STATE"] ?? join(homedir(), ".mlx-jaccl-cluster")
  return resolve(written)
}

const FILE = "server.json"
const LOG = "server.log"
/** A log that has grown beyond this is put aside when the next server starts; one such file is kept. */
const LOG_BYTES = 16 * 1024 * 1024

/** Null where none is noted, or where the noted one has ended. */
export function readBackgroundServer(folder: string): BackgroundServer | null {
  let value: unknown
  try {
    value = JSON.parse(readFileSync(join(folder, FILE), "utf8"))
  } catch {
    return null
  }
  if (typeof value !== "object" || value === null) return null
  const { pid, started, url, log }: BackgroundServer = { pid: 0, started: "", url: "", log: "", ...value }
  if (!Number.isInteger(pid) || pid <= 1 || processStart(pid) !== started || started === "") return null
  return { pid, started, url, log }
}

/** Whole or not at all: a reader never sees half a file. */
export function writeBackgroundServer(folder: string, server: BackgroundServer): void {
  const path = join(folder, FILE)
  const draft = `${path}.${process.pid}`
  writeFileSync(draft, `${JSON.stringify(server)}\n`, { mode: 0o600 })
  renameSync(draft, path)
}

export function forgetBackgroundServer(folder: string): void {
  rmSync(join(folder, FILE), { force: true })
}

export const logPath = (folder: string): string => join(folder, LOG)

/** Makes the folder, puts a long log of earlier servers aside, and gives the path. */
export function openLog(folder: string): string {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const path = logPath(folder)
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0
  if (size > LOG_BYTES) renameSync(path, `${path}.1`)
  return path
}

/** When a process began, in words that are the same at every call; "" where there is none. */
export function processStart(pid: number): string {
  return spawnSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" }).stdout?.trim() ?? ""
}

/** Process ids of all that a process has started, and of what those have. */
export function descendants(pid: number): number[] {
  const { stdout } = spawnSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" })
  const pairs = (stdout ?? "").split("\n").map((line) => line.trim().split(/\s+/).map(Number))
  const found: number[] = []
  for (let open = [pid]; open.length > 0; ) {
    const parents = open
    open = pairs.flatMap(([child, parent]) => (child !== undefined && parents.includes(parent ?? 0) ? [child] : []))
    found.push(...open)
  }
  return found
}
