// The prefix cache: how many prompt tokens needed no work, because their keys and values were still there.

import { count, percent } from "../format.ts"
import { html } from "../html.ts"
import { type Panel, bar, emptyState, fact } from "./panel.ts"

export const cache: Panel = {
  id: "cache",
  title: "Prefix cache",
  render: ({ prefix_cache: { hit_tokens: hits, prompt_tokens: prompts } }) => {
    if (!(prompts > 0))
      return emptyState("No prompts yet", "Prompts that begin alike share their work; this shows how much.")
    const share = hits / prompts
    return html`
      <p class="big-figure">${percent(share)} <span class="unit">of prompt tokens found</span></p>
      <div class="cache-bar">${bar("ok", share, `${percent(share)} of prompt tokens were found in the prefix cache`)}</div>
      <dl class="facts">
        ${fact("Found", `${count(hits)} tokens`)}
        ${fact("Computed", `${count(prompts - hits)} tokens`)}
        ${fact("Prompts in all", `${count(prompts)} tokens`)}
      </dl>
    `
  },
}
