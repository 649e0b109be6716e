// Generated tokens a second over the last minute, as a line.

import { decimal, rate } from "../format.ts"
import { type Html, html } from "../html.ts"
import type { Panel } from "./panel.ts"

const WIDTH = 600
const HEIGHT = 140
/** Room above the highest point, so that its stroke is not cut. */
const HEADROOM = 8
/** Seconds of history that the axis speaks of. */
const SPAN_S = 60

/** The least of 1, 2, 5, 10, 20, 50 ... that is not below the value: a scale that does not jump with every second. */
export function niceCeiling(value: number): number {
  if (!(value > 0)) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  for (const step of [1, 2, 2.5, 5]) if (value <= step * power) return step * power
  return 10 * power
}

const coordinate = (value: number) => Math.round(value * 10) / 10

/** Points of the line, oldest at the left; broken numbers count as zero. */
export function sparklinePoints(history: readonly number[], ceiling: number): string[] {
  const last = Math.max(1, history.length - 1)
  return history.map((tokens, index) => {
    const share = Number.isFinite(tokens) ? Math.min(1, Math.max(0, tokens / ceiling)) : 0
    return `${coordinate((index / last) * WIDTH)},${coordinate(HEIGHT - share * (HEIGHT - HEADROOM))}`
  })
}

function sparkline(history: readonly number[]): Html {
  const seconds = history.slice(-SPAN_S)
  const ceiling = niceCeiling(Math.max(0, ...seconds.filter(Number.isFinite)))
  const points = sparklinePoints(seconds, ceiling)
  const idle = seconds.every((tokens) => !(tokens > 0))
  const middle = HEADROOM + (HEIGHT - HEADROOM) / 2
  const label = `Tokens a second over the last minute, newest ${rate(seconds.at(-1))}, scale to ${ceiling}`
  return html`
    <figure class="chart">
      <div class="chart-plot">
        <svg class="sparkline" viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${label}">
          <defs>
            <linearGradient id="sparkline-fade" x1="0" y1="0" x2="0" y2="1">
              <stop class="fade-top" offset="0" />
              <stop class="fade-bottom" offset="1" />
            </linearGradient>
          </defs>
          <path class="grid-line" d="M0 ${HEADROOM}H${WIDTH}M0 ${middle}H${WIDTH}" vector-effect="non-scaling-stroke" />
          <path class="base-line" d="M0 ${HEIGHT}H${WIDTH}" vector-effect="non-scaling-stroke" />
          ${
            points.length > 1 &&
            html`
              <polygon class="spark-area" points="0,${HEIGHT} ${points.join(" ")} ${WIDTH},${HEIGHT}" />
              <polyline class="spark-line" points="${points.join(" ")}" vector-effect="non-scaling-stroke" />
            `
          }
        </svg>
        ${
          idle
            ? html`<span class="chart-idle">No tokens in the last minute</span>`
            : html`
                <span class="chart-scale top" aria-hidden="true">${ceiling}</span>
                <span class="chart-scale middle" aria-hidden="true">${ceiling / 2}</span>
              `
        }
      </div>
      <figcaption><span>60 s ago</span><span>30 s</span><span>now</span></figcaption>
    </figure>
  `
}

export const performance: Panel = {
  id: "performance",
  title: "Performance",
  render: (snapshot) => html`
    <dl class="figures">
      <div><dt>Now</dt><dd>${rate(snapshot.history.at(-1))} <span class="unit">tok/s</span></dd></div>
      <div><dt>Mean, 60 s</dt><dd>${rate(snapshot.avg_tps_60s)} <span class="unit">tok/s</span></dd></div>
      <div><dt>Peak, 60 s</dt><dd>${rate(snapshot.peak_tps_60s)} <span class="unit">tok/s</span></dd></div>
      <div><dt>Mean latency</dt><dd>${decimal(snapshot.avg_latency_60s, 2)} <span class="unit">s</span></dd></div>
    </dl>
    ${sparkline(snapshot.history)}
  `,
}
