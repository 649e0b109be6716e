// What a benchmark prints: a table for people and, as its last line, one JSON document with machine and commit.

import { execFileSync } from "node:child_process"
import { cpus, loadavg, platform, release, totalmem } from "node:os"

export interface Summary {
  readonly n: number
  readonly median: number
  readonly min: number
  readonly max: number
}

/** Linear interpolation between the closest ranks; `share` in 0..1. */
export function percentile(values: readonly number[], share: number): number {
  if (values.length === 0) return Number.NaN
  const sorted = [...values].sort((a, b) => a - b)
  const at = share * (sorted.length - 1)
  const low = Math.floor(at)
  const below = sorted[low] ?? Number.NaN
  const above = sorted[Math.min(low + 1, sorted.length - 1)] ?? below
  return below + (above - below) * (at - low)
}

export function summarize(values: readonly number[]): Summary {
  return { n: values.length, median: percentile(values, 0.5), min: Math.min(...values), max: Math.max(...values) }
}

function commit(): string {
  try {
    const hash = execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim()
    const dirty = execFileSync("git", ["status", "--porcelain"], { encoding: "utf8" }).trim() !== ""
    return dirty ? `${hash}+` : hash
  } catch {
    return "unknown"
  }
}

export function machine(): Record<string, string | number> {
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()}`,
    node: process.version,
    load: Math.round((loadavg()[0] ?? 0) * 100) / 100,
  }
}

export function table(rows: readonly Readonly<Record<string, string | number>>[]): void {
  const columns = Object.keys(rows[0] ?? {})
  const cell = (value: string | number | undefined) =>
    typeof value === "number" ? value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2) : (value ?? "")
  const width = columns.map((column) => Math.max(column.length, ...rows.map((row) => cell(row[column]).length)))
  const line = (cells: readonly string[]) => cells.map((text, i) => text.padEnd(width[i] ?? 0)).join("  ")
  process.stdout.write(`${line(columns)}\n`)
  for (const row of rows) process.stdout.write(`${line(columns.map((column) => cell(row[column])))}\n`)
}

/** The last line of every benchmark. */
export function finish(bench: string, results: unknown): void {
  const document = { bench, commit: commit(), date: new Date().toISOString(), machine: machine(), results }
  process.stdout.write(`${JSON.stringify(document)}\n`)
}
