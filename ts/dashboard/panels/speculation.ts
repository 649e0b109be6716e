// Speculative decoding: how many proposed tokens the model took. Empty, and then its card is hidden, where it is off.

import { count, decimal, percent } from "../format.ts"
import { html } from "../html.ts"
import { type Panel, bar, fact } from "./panel.ts"

const KINDS: Readonly<Record<string, string>> = { draft: "Draft model", ngram: "Prompt lookup" }

export const speculation: Panel = {
  id: "speculation",
  title: "Speculation",
  render: ({ speculation: state }) => {
    if (state === null) return html``
    const { acceptance } = state
    return html`
      <p class="big-figure">${acceptance === null ? "–" : percent(acceptance)} <span class="unit">of proposed tokens taken</span></p>
      <div class="cache-bar">${bar("ok", acceptance ?? 0, `${percent(acceptance ?? 0)} of proposed tokens were taken`)}</div>
      <dl class="facts">
        ${fact("Proposed by", KINDS[state.kind] ?? state.kind)}
        ${fact("Taken", `${count(state.accepted_tokens)} of ${count(state.proposed_tokens)} tokens`)}
        ${fact("Depth, of late", `${decimal(state.depth, 1)} tokens a step`)}
        ${fact("Sequences", `${count(state.active)} with, ${count(state.resting)} resting`)}
      </dl>
      ${state.switched_off && html`<p class="notice warn">Resting: it does not pay for what runs now.</p>`}
    `
  },
}
