// One request's life as a bar: what it spent in the tokenizer, in the queue, in prefill and in decoding.

import { decimal, milliseconds } from "../format.ts"
import { type Html, html } from "../html.ts"
import type { RequestView } from "../snapshot.ts"

interface Phase {
  readonly name: string
  readonly shade: string
  readonly startMs: number
  readonly ms: number
}

/** The phases that took place, in order; each ends where the next one that is known begins. */
export function phases({ timeline, latency_ms: latencyMs }: RequestView): readonly Phase[] {
  const endMs = timeline.end_ms ?? latencyMs
  const marks = [
    ["Tokenize", "shade-4", 0],
    ["Queue", "shade-3", timeline.queued_ms],
    ["Prefill", "shade-2", timeline.prefill_ms],
    ["Decode", "shade-1", timeline.first_token_ms],
  ] as const
  const known = marks.flatMap(([name, shade, startMs]) => (startMs === null ? [] : [{ name, shade, startMs }]))
  return known.map((phase, index) => ({
    ...phase,
    ms: Math.max(0, (known[index + 1]?.startMs ?? endMs) - phase.startMs),
  }))
}

const share = (part: number, whole: number) => Math.round((whole > 0 ? Math.min(1, part / whole) : 0) * 1000) / 10

export function timeline(request: RequestView): Html {
  const endMs = request.timeline.end_ms ?? request.latency_ms
  const parts = phases(request)
  const label = parts.map((phase) => `${phase.name} ${milliseconds(phase.ms)}`).join(", ")
  return html`
    <div class="timeline">
      <svg class="bar ok" role="img" aria-label="${label}" width="100%" height="10">
        <rect class="bar-track" width="100%" height="10" />
        ${parts.map((phase) => html`<rect class="bar-part ${phase.shade}" x="${share(phase.startMs, endMs)}%" width="${share(phase.ms, endMs)}%" height="10" />`)}
      </svg>
      <ul class="legend ok">
        ${parts.map((phase) => html`<li><span class="swatch ${phase.shade}" aria-hidden="true"></span>${phase.name} <b>${milliseconds(phase.ms)}</b></li>`)}
      </ul>
      <p class="caption">
        ${request.prefill_tps !== null && html`Prefill ${decimal(request.prefill_tps, 0)} prompt tok/s · `}
        ${request.generation_tps !== null && html`Decode ${decimal(request.generation_tps, 1)} tok/s · `}
        ${request.drafted_tokens > 0 && html`Speculation took ${request.accepted_tokens} of ${request.drafted_tokens} · `}
        ${request.error !== null && html`Error <code>${request.error}</code> · `}
        <span class="mono">${request.id}</span>
      </p>
      ${request.prompt !== null && html`<p class="caption">Prompt: ${request.prompt}</p>`}
    </div>
  `
}
