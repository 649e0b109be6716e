// The screen of `mlx-cluster status`: a pure function of what the server said. Every field may be missing, because the
// server may be of another version.

import { cables } from "./cables.ts"
import { columns } from "./screen-text.ts"
import { field } from "./server-client.ts"
import { type Paint, printable } from "./terminal.ts"

const BAR_WIDTH = 20
const MEMORY_WARN_SHARE = 0.7
const MEMORY_BAD_SHARE = 0.85
const BYTES_PER_GB = 1e9

const words = (value: unknown): string => (typeof value === "string" ? printable(value) : "")
const figure = (value: unknown): number | null => (typeof value === "number" && Number.isFinite(value) ? value : null)
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])
const fixed = (value: number | null, digits: number, unit: string) =>
  value === null ? "" : `${value.toFixed(digits)} ${unit}`

function duration(seconds: number | null): string {
  if (seconds === null) return ""
  const [days, hours, minutes] = [
    Math.floor(seconds / 86_400),
    Math.floor(seconds / 3600) % 24,
    Math.floor(seconds / 60) % 60,
  ]
  if (days > 0) return `${days}d ${hours}h`
  return hours > 0 ? `${hours}h ${minutes}m` : `${minutes}m ${Math.floor(seconds) % 60}s`
}

function memoryBar(share: number, paint: Paint): string {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * BAR_WIDTH)
  const colour = share > MEMORY_BAD_SHARE ? "red" : share >= MEMORY_WARN_SHARE ? "yellow" : "green"
  return `${paint(colour, "█".repeat(filled))}${paint("gray", "░".repeat(BAR_WIDTH - filled))} ${`${Math.round(share * 100)}%`.padStart(4)}`
}

function stateColour(state: string): "green" | "yellow" | "red" {
  if (state === "active") return "green"
  return state === "disconnected" ? "red" : "yellow"
}

function rankLines(cluster: unknown, memory: unknown, paint: Paint): string[] {
  const nodes = list(field(cluster, "nodes"))
  const plain = columns(
    nodes.map((node) => {
      const heard = figure(field(node, "lastHeardMs"))
      const pid = figure(field(node, "pid"))
      return [
        String(figure(field(node, "rank")) ?? "?"),
        words(field(node, "hostname")),
        words(field(node, "state")).toUpperCase(),
        heard === null ? "never heard" : `heard ${(heard / 1000).toFixed(1)} s ago`,
        pid === null ? "" : `pid ${pid}`,
      ]
    }),
  )
  return nodes.flatMap((node, index) => {
    const state = words(field(node, "state"))
    const detail = words(field(node, "detail"))
    const figures = field(memory, String(figure(field(node, "rank"))))
    const [used, total] = [figure(field(figures, "used_gb")), figure(field(figures, "total_gb"))]
    const line = (plain[index] ?? "").replace(state.toUpperCase(), (shown) => paint(stateColour(state), shown))
    const bar =
      used === null || total === null || total <= 0
        ? []
        : [
            `     ${memoryBar(used / total, paint)}  ${used.toFixed(1)} of ${total.toFixed(1)} GB` +
              `  (model ${fixed(figure(field(figures, "model_gb")), 2, "GB")}, KV ${fixed(figure(field(figures, "kv_gb")), 2, "GB")})`,
          ]
    return [line, ...bar, ...(detail === "" || state === "active" ? [] : [`     ${paint("red", detail)}`])]
  })
}

function linkLines(cluster: unknown): string[] {
  return columns(
    cables(list(field(cluster, "links"))).map((link) => {
      const bandwidth = figure(field(link, "bandwidthBytesPerSecond"))
      const ceiling = figure(field(field(link, "ceiling"), "bytesPerSecond"))
      const share =
        bandwidth === null || ceiling === null ? "" : `${Math.round(Math.min(1, bandwidth / ceiling) * 100)}%`
      const probed = figure(field(link, "lastProbeMs"))
      return [
        `${figure(field(link, "from")) ?? "?"} - ${figure(field(link, "to")) ?? "?"}`,
        `${words(field(link, "transport"))} ${words(field(link, "device"))}`.trim(),
        field(link, "active") === true ? "up" : "DOWN",
        bandwidth === null ? "" : `${(bandwidth / BYTES_PER_GB).toFixed(2)} GB/s`,
        share === "" ? "" : `${share} of ${CEILINGS[words(field(field(link, "ceiling"), "source"))] ?? "its ceiling"}`,
        fixed(figure(field(link, "latencyUs")), 1, "µs"),
        probed === null ? "not probed yet" : `probed ${duration(probed / 1000)} ago`,
      ]
    }),
  )
}

const CEILINGS: Readonly<Record<string, string>> = {
  cable: "the cable",
  interface: "the interfaces",
  measured: "its best",
}
/** Digits of a hash that tell it from others at a glance. */
const HASH_DIGITS = 12

/** How the ranks are joined, and how they have proved that together they answer rightly. */
function proofLines(cluster: unknown, paint: Paint): string[] {
  const group = field(cluster, "group")
  const certificate = field(cluster, "certificate")
  const transport = words(field(group, "transport"))
  const lines: string[] = []
  if (transport !== "") {
    const shares = list(field(group, "shares")).map((share) => `${Math.round((figure(share) ?? 0) * 100)}%`)
    const guard = field(group, "isGuarded") === true ? "guarded" : paint("yellow", "not guarded")
    const fast = field(cluster, "metalFastSynch") === true ? "on" : "off"
    lines.push(`  ${transport}, ${guard}; shares ${shares.join(" / ")}; MLX_METAL_FAST_SYNCH ${fast}`)
  }
  const hash = words(field(certificate, "hash"))
  if (hash !== "") {
    const means = words(field(certificate, "proof")) === "one rank" ? "answers as one rank does" : "the ranks agree"
    const counts = `${figure(field(certificate, "agreeing")) ?? "?"} of ${figure(field(certificate, "tokens")) ?? "?"} tokens`
    const made = `MLX ${words(field(certificate, "mlxVersion"))} ${words(field(certificate, "backend"))}`
    lines.push(
      `  ${paint("green", "verified")}: ${means}, ${counts}`,
      `            hash ${hash.slice(0, HASH_DIGITS)}, ${made}`,
    )
  } else if (transport !== "")
    lines.push(`  ${paint("yellow", "not verified")}: the model has too short a context for the proof`)
  return lines
}

function modelLines(models: unknown): string[] {
  return columns(
    list(field(models, "data")).map((model) => {
      const context = figure(field(model, "context_length"))
      const bytes = figure(field(model, "size_bytes"))
      return [
        words(field(model, "id")),
        words(field(model, "family")),
        words(field(model, "quantization")),
        bytes === null ? "" : `${(bytes / BYTES_PER_GB).toFixed(2)} GB`,
        context === null ? "" : `context ${context.toLocaleString("en-US")}`,
      ]
    }),
  )
}

function section(title: string, lines: readonly string[], none: string, paint: Paint): string[] {
  return ["", paint("bold", title), ...(lines.length === 0 ? [`  ${none}`] : lines)]
}

/** Lines of one screen, without a line break at the end. */
export function statusScreen(url: string, report: Readonly<Record<string, unknown>>, paint: Paint): string {
  const { health, ready, models, cluster, memory, queue } = report
  const isReady = field(ready, "ready") === true
  const state = words(field(ready, "state")) || "unknown"
  const detail = words(field(ready, "detail"))
  const uptime = duration(figure(field(health, "uptime_s")))
  const links = linkLines(cluster)
  const joined = proofLines(cluster, paint)
  const running = figure(field(queue, "running"))
  const queueLine = `  ${running === null ? "" : `${running} running, `}${figure(field(queue, "size")) ?? "?"} waiting, ${figure(field(queue, "max")) ?? "?"} places`
  return [
    [
      paint("bold", `mlx-jaccl-cluster ${words(field(health, "version"))}`.trim()),
      url,
      paint(isReady ? "green" : "red", isReady ? "ready" : state === "ready" ? "not ready" : state),
      uptime === "" ? "" : `up ${uptime}`,
    ]
      .filter((part) => part !== "")
      .join("  "),
    ...(detail === "" ? [] : [detail]),
    ...section("Model", modelLines(models), "none loaded", paint),
    ...section("Ranks", rankLines(cluster, memory, paint), "none yet", paint),
    ...(links.length === 0 ? [] : section("Links", links, "", paint)),
    ...(joined.length === 0 ? [] : section("Cluster", joined, "", paint)),
    ...section("Queue", queue === null || queue === undefined ? [] : [queueLine], "unknown", paint),
  ].join("\n")
}
