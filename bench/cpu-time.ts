// CPU time of other processes, threads that have ended left out: what a server costs, whoever else uses the machine.

import { execFileSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"

/** Milliseconds of user and system time of one process: nanosecond counters on Linux, hundredths of a second elsewhere. */
export function cpuTimeMs(pid: number): number {
  if (process.platform !== "linux") {
    const [seconds = 0, minutes = 0, hours = 0] = execFileSync("ps", ["-o", "time=", "-p", String(pid)], {
      encoding: "utf8",
    })
      .trim()
      .split(/[-:]/)
      .map(Number)
      .toReversed()
    return (seconds + 60 * (minutes + 60 * hours)) * 1000
  }
  let sum = 0
  for (const ms of threadTimesMs(pid).values()) sum += ms
  return sum
}

/** The same of each thread, by its id; Linux only. */
export function threadTimesMs(pid: number): Map<number, number> {
  const times = new Map<number, number>()
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      const [ns] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")
      times.set(Number(thread), Number(ns) / 1e6)
    } catch {
      // The thread has ended since the folder was read.
    }
  }
  return times
}

/** The process and all that descend from it. */
export function processTree(root: number): number[] {
  const children = new Map<number, number[]>()
  for (const line of execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" }).trim().split("\n")) {
    const [pid = 0, parent = 0] = line.trim().split(/\s+/).map(Number)
    children.set(parent, [...(children.get(parent) ?? []), pid])
  }
  const tree = [root]
  for (const pid of tree) tree.push(...(children.get(pid) ?? []))
  return tree
}
