// Memory of each rank's host: the bar's colour says how near the limit, its shades what the memory holds.

import { gigabytes, percent } from "../format.ts"
import { memoryHealth } from "../health.ts"
import { type Html, html } from "../html.ts"
import type { MemoryView } from "../snapshot.ts"
import { type Panel, emptyState } from "./panel.ts"

interface Part {
  readonly name: string
  readonly shade: string
  readonly gb: number
}

/** What fills the used memory, in the bar's order; the parts never add up to more than is used. */
export function memoryParts(memory: MemoryView): readonly Part[] {
  let left = Math.max(0, memory.used_gb)
  const take = (gb: number): number => {
    const taken = Math.min(left, Math.max(0, gb))
    left -= taken
    return taken
  }
  return [
    { name: "Model", shade: "shade-1", gb: take(memory.model_gb) },
    { name: "KV cache", shade: "shade-2", gb: take(memory.kv_gb) },
    { name: "MLX cache", shade: "shade-3", gb: take(memory.cache_gb) },
    { name: "System and rest", shade: "shade-4", gb: take(left) },
  ]
}

const width = (gb: number, total: number) => Math.round((gb / total) * 1000) / 10

function stackedBar(memory: MemoryView, label: string): Html {
  const total = memory.total_gb
  let start = 0
  const rects = memoryParts(memory).map((part) => {
    const rect = html`<rect class="bar-part ${part.shade}" x="${width(start, total)}%" width="${width(part.gb, total)}%" height="14" />`
    start += part.gb
    return rect
  })
  return html`
    <svg class="bar tall ${memoryHealth(memory.used_gb / total)}" role="img" aria-label="${label}" width="100%" height="14">
      <rect class="bar-track" width="100%" height="14" />
      ${rects}
    </svg>
  `
}

function oneRank(rank: string, hostname: string, memory: MemoryView): Html {
  const share = memory.total_gb > 0 ? memory.used_gb / memory.total_gb : 0
  return html`
    <article class="rank-memory">
      <header>
        <h3>Rank ${rank} <span class="muted">${hostname}</span></h3>
        <p><b>${gigabytes(memory.used_gb)}</b> / ${gigabytes(memory.total_gb)} GB <span class="share ${memoryHealth(share)}">${percent(share)}</span></p>
      </header>
      ${memory.total_gb > 0 && stackedBar(memory, `Rank ${rank}: ${percent(share)} of memory used`)}
      <ul class="legend ${memoryHealth(share)}">
        ${memoryParts(memory).map(
          (part) =>
            html`<li><span class="swatch ${part.shade}" aria-hidden="true"></span>${part.name} <b>${gigabytes(part.gb)}</b></li>`,
        )}
      </ul>
      <p class="caption">MLX active ${gigabytes(memory.active_gb)} GB · peak ${gigabytes(memory.peak_gb)} GB · process ${gigabytes(memory.rss_gb)} GB</p>
    </article>
  `
}

export const memory: Panel = {
  id: "memory",
  title: "Memory",
  render: (snapshot) => {
    const ranks = Object.entries(snapshot.memory)
    if (ranks.length === 0)
      return emptyState("No figures yet", "Each rank reports its memory every two seconds once it runs.")
    return html`
      <div class="ranks">
        ${ranks.map(([rank, figures]) => oneRank(rank, snapshot.nodes[rank]?.hostname ?? "", figures))}
      </div>
    `
  },
}
