// The screen of `mlx-cluster top`: the requests of a server as a table, those that run first. A pure function of GET
// /requests, GET /queue and the terminal's size.

import type { ScreenSize } from "./live-screen.ts"
import { clip, figure, list, milliseconds, number, statusColour, words } from "./screen-text.ts"
import { field } from "./server-client.ts"
import type { Paint } from "./terminal.ts"

/** What the table is ordered by; each key of the keyboard takes the next one. */
export const ORDERS = ["age", "tokens", "speed", "prompt"] as const
export type Order = (typeof ORDERS)[number]

const WIDEST = 160

interface Column {
  readonly title: string
  readonly width: number
  readonly cell: (request: unknown) => string
}

const right = (text: string, width: number) => text.padStart(width)
const age = (request: unknown) => milliseconds(field(request, "latency_ms"))
const isOpen = (request: unknown) => ["queued", "running"].includes(words(field(request, "status")))

const COLUMNS: readonly Column[] = [
  { title: "AGE", width: 9, cell: age },
  { title: "TTFT", width: 9, cell: (request) => milliseconds(field(request, "ttft_ms")) },
  { title: "PROMPT", width: 8, cell: (request) => number(field(request, "prompt_tokens"), 0) },
  { title: "CACHED", width: 8, cell: (request) => number(field(request, "cached_tokens"), 0) },
  { title: "TOKENS", width: 8, cell: (request) => number(field(request, "completion_tokens"), 0) },
  { title: "TOK/S", width: 9, cell: (request) => number(field(request, "generation_tps"), 1) },
]
const STATUS_WIDTH = 10
const KIND_WIDTH = 11

const KEYS: Readonly<Record<Order, string>> = {
  age: "latency_ms",
  tokens: "completion_tokens",
  speed: "generation_tps",
  prompt: "prompt_tokens",
}

/** Open requests first, then by the order, largest first. */
function sorted(requests: readonly unknown[], order: Order): readonly unknown[] {
  const value = (request: unknown) => figure(field(request, KEYS[order])) ?? -1
  return requests.toSorted((a, b) => Number(isOpen(b)) - Number(isOpen(a)) || (isOpen(a) ? value(b) - value(a) : 0))
}

function row(request: unknown, paint: Paint): string {
  const status = words(field(request, "status"))
  const cells = COLUMNS.map(({ cell, width }) => right(cell(request), width)).join("")
  const prompt = words(field(request, "prompt"))
  const colour = isOpen(request) ? statusColour(status) : status === "ok" ? "gray" : statusColour(status)
  const name = words(field(request, "id"))
  return `${paint(colour, status.padEnd(STATUS_WIDTH))}${words(field(request, "kind")).padEnd(KIND_WIDTH)}${cells}  ${name}${prompt === "" ? "" : `  ${prompt}`}`
}

/** Lines that fit the size. `answer`: {queue, requests} as the server gave them. */
export function topScreen(url: string, answer: unknown, order: Order, size: ScreenSize, paint: Paint): string[] {
  const queue = field(answer, "queue")
  const requests = sorted(list(field(answer, "requests")), order)
  const titles = COLUMNS.map(({ title, width }) => right(title, width)).join("")
  const head = [
    `${paint("bold", "mlx-jaccl-cluster")}  ${url}  ${number(field(queue, "running"), 0)} running, ${number(field(queue, "size"), 0)} waiting, ${number(field(queue, "max"), 0)} places`,
    paint("gray", `open ones by ${order}, then the newest that ended   o: order   q: quit`),
    "",
    paint("bold", `${"STATUS".padEnd(STATUS_WIDTH)}${"KIND".padEnd(KIND_WIDTH)}${titles}  REQUEST`),
  ]
  const rows = requests.slice(0, Math.max(0, size.rows - head.length)).map((request) => row(request, paint))
  const none = requests.length === 0 ? [paint("gray", "no request yet")] : []
  return [...head, ...rows, ...none].slice(0, size.rows).map((line) => clip(line, Math.min(size.columns, WIDEST)))
}
