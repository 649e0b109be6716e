// The cluster drawn: one box a node, one line a link, for one to four nodes; once for a wide panel and once for a narrow
// one, of which the style sheet shows the one that fits. A unit of the drawing is a pixel where there is room.

import { decimal, percent } from "../format.ts"
import { type Health, linkHealth, memoryHealth, nodeHealth } from "../health.ts"
import { type Html, html } from "../html.ts"
import type { Snapshot } from "../snapshot.ts"
import { type Link, linkPairs } from "./link-pairs.ts"
import { type Panel, emptyState } from "./panel.ts"

interface Scale {
  readonly name: string
  readonly width: number
  readonly box: { readonly width: number; readonly height: number; readonly inset: number }
  readonly label: number
  /** Where on a diagonal its label stands. */
  readonly crossing: number
  /** Heights for one to four nodes. */
  readonly heights: readonly [number, number, number, number]
  /** At most this many characters of a name fit a box. */
  readonly nameLength: number
}

const SCALES: readonly Scale[] = [
  {
    name: "wide",
    width: 640,
    box: { width: 196, height: 92, inset: 16 },
    label: 100,
    crossing: 0.37,
    heights: [120, 128, 330, 350],
    nameLength: 21,
  },
  {
    name: "narrow",
    width: 312,
    box: { width: 108, height: 88, inset: 12 },
    label: 68,
    crossing: 0.31,
    heights: [112, 112, 300, 350],
    nameLength: 12,
  },
]

interface Place {
  readonly x: number
  readonly y: number
}

/** Centre of each node's box, by rank. */
function placesOf(size: number, { width, box, heights }: Scale): readonly Place[] {
  const height = heights[size - 1] ?? 0
  const [left, right, top, bottom] = [
    box.width / 2 + 2,
    width - box.width / 2 - 2,
    box.height / 2 + 6,
    height - box.height / 2 - 6,
  ]
  const centre = width / 2
  switch (size) {
    case 1:
      return [{ x: centre, y: height / 2 }]
    case 2:
      return [left, right].map((x) => ({ x, y: height / 2 }))
    case 3:
      return [
        { x: centre, y: top },
        { x: left, y: bottom },
        { x: right, y: bottom },
      ]
    default:
      return [top, bottom].flatMap((y) => [left, right].map((x) => ({ x, y })))
  }
}

/** Where along a link its label stands. Of four nodes the links 0-3 and 1-2 cross in the middle. */
const labelAt = (size: number, { from, to }: Link, { crossing }: Scale) =>
  size === 4 && from + to === 3 ? crossing : 0.5

const LINE = 18

function drawLink(link: Link, places: readonly Place[], scale: Scale): { line: Html; label: Html } | null {
  const [a, b] = [places[link.from], places[link.to]]
  if (a === undefined || b === undefined) return null
  const health = linkHealth(link)
  const share = labelAt(places.length, link, scale)
  const x = Math.round(a.x + (b.x - a.x) * share)
  const y = Math.round(a.y + (b.y - a.y) * share)
  const figures = link.bandwidth_gbps === null ? link.label : `${decimal(link.bandwidth_gbps, 2)} GB/s`
  const second = link.latency_us === null ? "" : `${decimal(link.latency_us, 1)} µs`
  const words = link.link_active ? [figures, second].filter((word) => word !== "") : ["down"]
  const path = `M${a.x} ${a.y}L${b.x} ${b.y}`
  const half = (LINE * words.length) / 2
  return {
    line: html`
      <g class="wire ${health}">
        <path class="wire-base" d="${path}" />
        <path class="wire-flow" d="${path}" />
      </g>
    `,
    label: html`
      <g class="wire-label ${health}">
        <rect x="${x - scale.label / 2}" y="${y - half - 3}" width="${scale.label}" height="${2 * half + 6}" rx="8" />
        ${words.map((word, index) => html`<text x="${x}" y="${y - half + LINE * index + 13.5}">${word}</text>`)}
      </g>
    `,
  }
}

const shorten = (name: string, most: number) => (name.length > most ? `${name.slice(0, most - 1)}…` : name)

function drawNode(rank: number, place: Place, { box, nameLength: most }: Scale, snapshot: Snapshot): Html {
  const node = snapshot.nodes[rank]
  const memory = snapshot.memory[rank]
  const health: Health = node === undefined ? "idle" : nodeHealth(node)
  const share = memory !== undefined && memory.total_gb > 0 ? memory.used_gb / memory.total_gb : null
  const left = place.x - box.width / 2
  const top = place.y - box.height / 2
  const inner = box.width - 2 * box.inset
  const role = most < ROLE_FROM ? "" : rank === 0 ? " · coordinator" : " · worker"
  return html`
    <g class="box ${health}">
      <rect class="box-frame" x="${left}" y="${top}" width="${box.width}" height="${box.height}" rx="13" />
      <circle class="box-dot" cx="${left + box.width - box.inset - 4}" cy="${top + 23}" r="4.5" />
      <text class="box-rank" x="${left + box.inset}" y="${top + 27}">Rank ${rank}${role}</text>
      <text class="box-name" x="${left + box.inset}" y="${top + 49}">${shorten(node?.hostname ?? "waiting", most)}</text>
      ${
        share !== null &&
        html`
          <g class="bar ${memoryHealth(share)}">
            <rect class="bar-track" x="${left + box.inset}" y="${top + box.height - 25}" width="${inner}" height="7" rx="3.5" />
            <rect class="bar-fill" x="${left + box.inset}" y="${top + box.height - 25}" width="${Math.round(inner * Math.min(1, share))}" height="7" rx="3.5" />
          </g>
        `
      }
    </g>
  `
}

/** Boxes that hold longer names have room for the rank's part too. */
const ROLE_FROM = 16

function draw(snapshot: Snapshot, size: number, scale: Scale): Html {
  const places = placesOf(size, scale)
  const links = linkPairs(snapshot.links)
    .map((each) => drawLink(each, places, scale))
    .filter((drawn) => drawn !== null)
  return html`
    <svg class="topology ${scale.name}" viewBox="0 0 ${scale.width} ${scale.heights[size - 1] ?? 0}">
      ${links.map((drawn) => drawn.line)}
      ${places.map((place, rank) => drawNode(rank, place, scale, snapshot))}
      ${links.map((drawn) => drawn.label)}
    </svg>
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

const NODES_MAX = 4

export const topology: Panel = {
  id: "topology",
  title: "Topology",
  render: (snapshot) => {
    const size = Math.max(snapshot.world_size, Object.keys(snapshot.nodes).length)
    if (size < 1 || size > NODES_MAX) return emptyState("No topology", `A cluster has one to ${NODES_MAX} nodes.`)
    return html`
      <div role="img" aria-label="${describe(snapshot, size)}">${SCALES.map((scale) => draw(snapshot, size, scale))}</div>
    `
  },
}
