// What Linux tells of another process's memory.

import { readFile } from "node:fs/promises"

export interface ProcessMemory {
  readonly rssBytes: number
  /** The most it ever was. */
  readonly peakRssBytes: number
}

export async function processMemory(pid: number): Promise<ProcessMemory> {
  const status = await readFile(`/proc/${pid}/status`, "utf8")
  const bytes = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1] ?? 0) * 1024
  return { rssBytes: bytes("VmRSS"), peakRssBytes: bytes("VmHWM") }
}

export const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(1)
