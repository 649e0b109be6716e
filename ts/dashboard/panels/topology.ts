// The cluster drawn: one box a node, one line a link, for one to four nodes.

import { decimal, percent } from "../format.ts"
import { type Health, linkHealth, memoryHealth, nodeHealth } from "../health.ts"
import { type Html, html } from "../html.ts"
import type { Snapshot } from "../snapshot.ts"
import { type Link, linkPairs } from "./link-pairs.ts"
import { type Panel, emptyState } from "./panel.ts"

const BOX_WIDTH = 152
const BOX_HEIGHT = 84
const WIDTH = 460

interface Place {
  readonly x: number
  readonly y: number
}

interface Layout {
  readonly height: number
  /** Centre of each node's box, by rank. */
  readonly places: readonly Place[]
  /** Where along a link its label stands, so that labels of crossing links do not meet. */
  readonly labelAt: (from: number, to: number) => number
}

const middle = () => 0.5

const LAYOUTS: readonly Layout[] = [
  { height: 110, places: [{ x: 230, y: 55 }], labelAt: middle },
  {
    height: 130,
    places: [
      { x: 84, y: 65 },
      { x: 376, y: 65 },
    ],
    labelAt: middle,
  },
  {
    height: 300,
    places: [
      { x: 230, y: 52 },
      { x: 84, y: 248 },
      { x: 376, y: 248 },
    ],
    labelAt: middle,
  },
  {
    height: 320,
    places: [
      { x: 84, y: 52 },
      { x: 376, y: 52 },
      { x: 84, y: 268 },
      { x: 376, y: 268 },
    ],
    // The diagonals 0-3 and 1-2 cross in the middle.
    labelAt: (from, to) => (from + to === 3 ? 0.34 : 0.5),
  },
]

function drawLink(link: Link, layout: Layout): { line: Html; label: Html } | null {
  const [a, b] = [layout.places[link.from], layout.places[link.to]]
  if (a === undefined || b === undefined) return null
  const health = linkHealth(link)
  const share = layout.labelAt(link.from, link.to)
  const x = Math.round(a.x + (b.x - a.x) * share)
  const y = Math.round(a.y + (b.y - a.y) * share)
  const figures = link.bandwidth_gbps === null ? link.label : `${decimal(link.bandwidth_gbps, 2)} GB/s`
  const second = link.latency_us === null ? "" : `${decimal(link.latency_us, 1)} µs`
  const words = link.link_active ? [figures, second].filter((word) => word !== "") : ["down"]
  return {
    line: html`
      <g class="wire ${health}">
        <line class="wire-base" x1="${a.x}" y1="${a.y}" x2="${b.x}" y2="${b.y}" />
        <line class="wire-flow" x1="${a.x}" y1="${a.y}" x2="${b.x}" y2="${b.y}" />
      </g>
    `,
    label: html`
      <g class="wire-label ${health}">
        <rect x="${x - 46}" y="${y - 10 - 9 * (words.length - 1)}" width="92" height="${20 + 18 * (words.length - 1)}" rx="8" />
        ${words.map((word, index) => html`<text x="${x}" y="${y + 5 - 9 * (words.length - 1) + 18 * index}">${word}</text>`)}
      </g>
    `,
  }
}

/** At most this many characters of a name fit a box. */
const NAME_LENGTH = 16

const shorten = (name: string) => (name.length > NAME_LENGTH ? `${name.slice(0, NAME_LENGTH - 1)}…` : name)

function drawNode(rank: number, place: Place, snapshot: Snapshot): Html {
  const node = snapshot.nodes[rank]
  const memory = snapshot.memory[rank]
  const health: Health = node === undefined ? "idle" : nodeHealth(node)
  const share = memory !== undefined && memory.total_gb > 0 ? memory.used_gb / memory.total_gb : null
  const left = place.x - BOX_WIDTH / 2
  const top = place.y - BOX_HEIGHT / 2
  const inner = BOX_WIDTH - 28
  return html`
    <g class="box ${health}">
      <rect class="box-frame" x="${left}" y="${top}" width="${BOX_WIDTH}" height="${BOX_HEIGHT}" rx="14" />
      <circle class="box-dot" cx="${left + BOX_WIDTH - 18}" cy="${top + 20}" r="5" />
      <text class="box-rank" x="${left + 14}" y="${top + 25}">Rank ${rank}</text>
      <text class="box-name" x="${left + 14}" y="${top + 47}">${shorten(node?.hostname ?? "waiting")}</text>
      ${
        share !== null &&
        html`
          <g class="bar ${memoryHealth(share)}">
            <rect class="bar-track" x="${left + 14}" y="${top + 62}" width="${inner}" height="7" rx="3.5" />
            <rect class="bar-fill" x="${left + 14}" y="${top + 62}" width="${Math.round(inner * Math.min(1, share))}" height="7" rx="3.5" />
          </g>
        `
      }
    </g>
  `
}

function describe(snapshot: Snapshot, size: number): string {
  const parts = Array.from({ length: size }, (_, rank) => {
    const node = snapshot.nodes[rank]
    const memory = snapshot.memory[rank]
    const used =
      memory !== undefined && memory.total_gb > 0 ? `, memory ${percent(memory.used_gb / memory.total_gb)}` : ""
    return node === undefined ? `rank ${rank} waiting` : `rank ${rank} ${node.hostname} ${node.status}${used}`
  })
  const links = linkPairs(snapshot.links).map(
    (link) => `link ${link.from} to ${link.to} ${link.link_active ? "up" : "down"}`,
  )
  return `Topology: ${[...parts, ...links].join("; ")}`
}

export const topology: Panel = {
  id: "topology",
  title: "Topology",
  render: (snapshot) => {
    const size = Math.max(snapshot.world_size, Object.keys(snapshot.nodes).length)
    const layout = LAYOUTS[size - 1]
    if (layout === undefined) return emptyState("No topology", `A cluster has one to ${LAYOUTS.length} nodes.`)
    const links = linkPairs(snapshot.links)
      .map((each) => drawLink(each, layout))
      .filter((drawn) => drawn !== null)
    return html`
      <svg class="topology" viewBox="0 0 ${WIDTH} ${layout.height}" role="img" aria-label="${describe(snapshot, size)}">
        ${links.map((drawn) => drawn.line)}
        ${layout.places.map((place, rank) => drawNode(rank, place, snapshot))}
        ${links.map((drawn) => drawn.label)}
      </svg>
    `
  },
}
