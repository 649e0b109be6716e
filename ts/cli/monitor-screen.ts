// The screen of `mlx-cluster monitor`: a pure function of one snapshot of GET /events and the terminal's size. Every
// field may be missing, because the server may be of another version.

import { cables } from "./cables.ts"
import type { ScreenSize } from "./live-screen.ts"
import { clip, figure, list, milliseconds, number, statusColour, words } from "./screen-text.ts"
import { field } from "./server-client.ts"
import type { Paint } from "./terminal.ts"

const BLOCKS = "▁▂▃▄▅▆▇█"
const WIDEST = 120
const entries = (value: unknown): readonly [string, unknown][] =>
  typeof value === "object" && value !== null ? Object.entries(value) : []

/** One block a second, newest at the right. */
export function sparkline(history: readonly unknown[], width: number): string {
  const seconds = history.map((value) => figure(value) ?? 0).slice(-width)
  const highest = Math.max(1, ...seconds)
  return seconds
    .map((value) => BLOCKS[Math.min(BLOCKS.length - 1, Math.floor((value / highest) * BLOCKS.length))] ?? " ")
    .join("")
}

function memoryBar(used: number, total: number, width: number, paint: Paint): string {
  const share = Math.min(1, Math.max(0, used / total))
  const filled = Math.round(share * width)
  const colour = share > 0.85 ? "red" : share >= 0.7 ? "yellow" : "green"
  return `${paint(colour, "█".repeat(filled))}${paint("gray", "░".repeat(width - filled))}`
}

function rankLines(snapshot: unknown, paint: Paint): string[] {
  return entries(field(snapshot, "nodes")).map(([rank, node]) => {
    const status = words(field(node, "status"))
    const memory = field(field(snapshot, "memory"), rank)
    const [used, total] = [figure(field(memory, "used_gb")), figure(field(memory, "total_gb"))]
    const bar =
      used === null || total === null || total <= 0
        ? ""
        : `${memoryBar(used, total, 20, paint)} ${used.toFixed(1)}/${total.toFixed(1)} GB`
    const name = words(field(node, "hostname")).slice(0, 18).padEnd(18)
    return `  ${rank}  ${name} ${paint(statusColour(status), status.toUpperCase().padEnd(12))} ${bar}`
  })
}

function linkLines(snapshot: unknown, paint: Paint): string[] {
  return cables(list(field(snapshot, "links"))).map((link) => {
    const up = field(link, "link_active") === true
    const ends = `${figure(field(link, "from")) ?? "?"} - ${figure(field(link, "to")) ?? "?"}`
    const state = paint(up ? "green" : "red", up ? "up  " : "DOWN")
    return `  ${ends}  ${words(field(link, "label")).padEnd(18)} ${state} ${number(field(link, "bandwidth_gbps"), 2)} GB/s  ${number(field(link, "latency_us"), 1)} µs`
  })
}

function latencyLines(snapshot: unknown): string[] {
  const latency = field(snapshot, "latency_ms")
  const rows = [
    ["first token", "time_to_first_token"],
    ["between tokens", "inter_token"],
    ["queue wait", "queue"],
    ["end to end", "request"],
  ] as const
  return rows.map(([name, key]) => {
    const values = field(latency, key)
    const cell = (percentile: string) => milliseconds(field(values, percentile)).padStart(10)
    return `  ${name.padEnd(16)}${cell("p50")}${cell("p90")}${cell("p99")}`
  })
}

function requestLines(snapshot: unknown, paint: Paint): string[] {
  return list(field(snapshot, "requests")).map((request) => {
    const time = figure(field(request, "time"))
    const clock = time === null ? "" : new Date(time).toLocaleTimeString("en-GB", { hour12: false })
    const status = words(field(request, "status"))
    const tokens = `${number(field(request, "prompt_tokens"), 0)} → ${number(field(request, "completion_tokens"), 0)}`
    const ttft = milliseconds(field(request, "ttft_ms")).padStart(9)
    const total = milliseconds(field(request, "latency_ms")).padStart(9)
    const speed = `${number(field(request, "generation_tps"), 1)} tok/s`.padStart(13)
    return `  ${clock.padEnd(9)} ${words(field(request, "kind")).padEnd(11)} ${tokens.padStart(13)} ${ttft} ${total} ${speed}  ${paint(statusColour(status), status)}`
  })
}

function errorLines(snapshot: unknown, paint: Paint): string[] {
  return list(field(snapshot, "errors")).flatMap((error) => {
    const time = figure(field(error, "time"))
    const clock = time === null ? "" : new Date(time).toLocaleTimeString("en-GB", { hour12: false })
    return [`  ${clock} ${paint("red", words(field(error, "code")))} ${words(field(error, "message"))}`]
  })
}

/** Lines that fit the size; what does not fit is left out from the end, the requests first. */
export function monitorScreen(url: string, snapshot: unknown, size: ScreenSize, paint: Paint): string[] {
  const state = words(field(snapshot, "state"))
  const cache = field(snapshot, "prefix_cache")
  const prompts = figure(field(cache, "prompt_tokens")) ?? 0
  const found = prompts > 0 ? `${Math.round(((figure(field(cache, "hit_tokens")) ?? 0) / prompts) * 100)}%` : "–"
  const history = list(field(snapshot, "history"))
  const links = linkLines(snapshot, paint)
  const errors = errorLines(snapshot, paint).slice(0, 3)
  const title = (text: string) => ["", paint("bold", text)]
  const fixed = [
    `${paint("bold", "mlx-jaccl-cluster")}  ${url}  ${words(field(field(snapshot, "model"), "id"))}  ${paint(statusColour(state), state)}`,
    ...(state === "ready" || words(field(snapshot, "detail")) === "" ? [] : [words(field(snapshot, "detail"))]),
    ...title("Throughput"),
    `  ${paint("cyan", sparkline(history, Math.min(60, size.columns - 20)))} ${number(history.at(-1), 0)} tok/s`,
    `  mean ${number(field(snapshot, "avg_tps_60s"), 1)}  peak ${number(field(snapshot, "peak_tps_60s"), 0)} tok/s` +
      `   prefill ${number(field(snapshot, "prefill_tps_60s"), 0)}, decode ${number(field(snapshot, "decode_tps_60s"), 1)} tok/s a stream`,
    `  ${number(field(snapshot, "running"), 0)} running, ${number(field(snapshot, "queue_size"), 0)} waiting of ${number(field(snapshot, "queue_max"), 0)}` +
      `   ${number(field(snapshot, "total_requests"), 0)} requests, ${number(field(snapshot, "total_tokens"), 0)} tokens   prefix cache ${found}`,
    ...title(`Latency${" ".repeat(16)}p50       p90       p99`),
    ...latencyLines(snapshot),
    ...title("Ranks"),
    ...rankLines(snapshot, paint),
    ...(links.length === 0 ? [] : [...title("Links"), ...links]),
    ...(errors.length === 0 ? [] : [...title("Errors"), ...errors]),
  ]
  const room = size.rows - fixed.length - 2
  const requests = room > 0 ? [...title("Requests"), ...requestLines(snapshot, paint).slice(0, room)] : []
  return [...fixed, ...requests].slice(0, size.rows).map((line) => clip(line, Math.min(size.columns, WIDEST)))
}
