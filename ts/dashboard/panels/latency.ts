// How long things take: percentiles since the start, and what a second of prefill and of decoding yields.

import { milliseconds, rate } from "../format.ts"
import { type Html, html } from "../html.ts"
import type { PercentilesView, Snapshot } from "../snapshot.ts"
import type { Panel } from "./panel.ts"

/** The scale of the ranges, in milliseconds: five decades, a tenth of a millisecond to ten seconds. */
const SCALE_LEAST_MS = 0.1
const SCALE_DECADES = 5

const ROWS: readonly (readonly [key: keyof Snapshot["latency_ms"], name: string, hint: string])[] = [
  ["time_to_first_token", "First token", "from the request to its first token"],
  ["inter_token", "Between tokens", "from one piece of text to the next"],
  ["queue", "Queue wait", "from the engine's door to the first step"],
  ["prefill", "Prefill", "from the first step of a prompt to its last"],
  ["request", "End to end", "whole requests that went well"],
  ["step", "Step", "one pass of the model over its batch"],
  ["collective", "Collectives", "what a step spends between the ranks"],
]

/** Milliseconds -> percent of the logarithmic scale, 0..100 with one decimal. */
export function scalePosition(ms: number): number {
  const decades = Math.log10(Math.max(ms, SCALE_LEAST_MS) / SCALE_LEAST_MS)
  return Math.round(Math.min(1, decades / SCALE_DECADES) * 1000) / 10
}

function range(values: PercentilesView): Html {
  const [from, middle, to] = [scalePosition(values.p50), scalePosition(values.p90), scalePosition(values.p99)]
  return html`
    <svg class="range" width="100%" height="16" aria-hidden="true">
      <line class="range-line" x1="${from}%" x2="${to}%" y1="8" y2="8" />
      <circle class="range-dot" cx="${from}%" cy="8" r="4" />
      <circle class="range-dot middle" cx="${middle}%" cy="8" r="3" />
      <circle class="range-dot far" cx="${to}%" cy="8" r="3" />
    </svg>
  `
}

const LABELS = ["0.1 ms", "1 ms", "10 ms", "100 ms", "1 s", "10 s"]

const scale = html`
  <svg class="range" width="100%" height="14" aria-hidden="true">
    ${LABELS.map((label, decade) => html`<text class="range-label" x="${decade * 20}%" y="11">${label}</text>`)}
  </svg>
`

function row(name: string, hint: string, values: PercentilesView | null): Html {
  return html`
    <tr>
      <th scope="row" title="${hint}">${name}</th>
      <td class="number">${milliseconds(values?.p50)}</td>
      <td class="number">${milliseconds(values?.p90)}</td>
      <td class="number">${milliseconds(values?.p99)}</td>
      <td class="range-cell wide-only">${values !== null && range(values)}</td>
    </tr>
  `
}

export const latency: Panel = {
  id: "latency",
  title: "Latency",
  render: (snapshot) => html`
    <dl class="figures">
      <div><dt>Prefill, 60 s</dt><dd>${rate(snapshot.prefill_tps_60s)} <span class="unit">prompt tok/s</span></dd></div>
      <div><dt>Decode, 60 s</dt><dd>${rate(snapshot.decode_tps_60s)} <span class="unit">tok/s a stream</span></dd></div>
    </dl>
    <table class="percentiles">
      <thead>
        <tr>
          <th scope="col">Since start</th>
          <th scope="col" class="number">p50</th>
          <th scope="col" class="number">p90</th>
          <th scope="col" class="number">p99</th>
          <th scope="col" class="range-cell wide-only">
            ${scale}
          </th>
        </tr>
      </thead>
      <tbody>
        ${ROWS.map(([key, name, hint]) => row(name, hint, snapshot.latency_ms[key]))}
      </tbody>
    </table>
  `,
}
