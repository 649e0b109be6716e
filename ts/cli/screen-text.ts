// Fields of a server's answer as text for a terminal. Every field may be missing or of another kind, because the server
// may be of another version; no control character of its texts reaches the terminal.

import { printable } from "./terminal.ts"

export const words = (value: unknown): string =>
  typeof value === "string" ? printable(value).replaceAll("\n", " ") : ""
export const figure = (value: unknown): number | null =>
  typeof value === "number" && Number.isFinite(value) ? value : null
export const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])
export const number = (value: unknown, digits: number): string => figure(value)?.toFixed(digits) ?? "–"

export function milliseconds(value: unknown): string {
  const ms = figure(value)
  if (ms === null) return "–"
  return ms < 1000 ? `${ms.toFixed(ms < 10 ? 1 : 0)} ms` : `${(ms / 1000).toFixed(2)} s`
}

export function statusColour(status: string): "green" | "yellow" | "red" | "gray" {
  if (["active", "ready", "ok", "running"].includes(status)) return "green"
  if (["disconnected", "lost", "error"].includes(status)) return "red"
  return status === "cancelled" ? "gray" : "yellow"
}

/** Cuts a line to a number of visible characters; colour codes are not counted and stay whole. */
export function clip(line: string, columns: number): string {
  // oxlint-disable-next-line no-control-regex -- colour codes begin with one
  const parts = line.split(/(\u001b\[[0-9;]*m)/)
  let left = columns
  return parts
    .map((part, index) => {
      if (index % 2 === 1) return part
      const characters = Array.from(part).slice(0, Math.max(0, left))
      left -= characters.length
      return characters.join("")
    })
    .join("")
}

/** Lines the cells of each column up; the last column is left as it is. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = []
  for (const row of rows)
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, cell.length)
  return rows.map((row) => `  ${row.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join("  ")}`.trimEnd())
}
