// How full the admission queue is, one cell a place while there are few.

import { count } from "../format.ts"
import { type Health, queueHealth } from "../health.ts"
import { type Html, html } from "../html.ts"
import { type Panel, bar, fact } from "./panel.ts"

/** Above this many places a bar says more than cells. */
const CELLS_MAX = 32

function cells(taken: number, places: number, health: Health, label: string): Html {
  const each = Array.from(
    { length: places },
    (_, index) => html`<span class="${index < taken ? "cell taken" : "cell"}"></span>`,
  )
  return html`<div class="cells ${health}" role="img" aria-label="${label}">${each}</div>`
}

export const queue: Panel = {
  id: "queue",
  title: "Queue",
  render: ({ queue_size: waiting, queue_max: max, running }) => {
    // Requests that run hold a place until they end.
    const taken = running + waiting
    const share = max > 0 ? taken / max : 0
    const health = queueHealth(share)
    const label = `${count(taken)} of ${count(max)} places taken`
    return html`
      <p class="big-figure"><span>${count(taken)}</span><span class="unit">of ${count(max)} places</span></p>
      ${max > 0 && max <= CELLS_MAX ? cells(taken, max, health, label) : bar(health, share, label)}
      <dl class="facts">
        ${fact("Running", count(running))}
        ${fact("Waiting", count(waiting))}
      </dl>
      ${health === "bad" && html`<p class="notice warn">Full: new requests are answered 503 with Retry-After.</p>`}
    `
  },
}
