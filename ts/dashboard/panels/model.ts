// The model that answers.

import { count, gigabytes } from "../format.ts"
import { html } from "../html.ts"
import { type Panel, emptyState, fact } from "./panel.ts"

export const model: Panel = {
  id: "model",
  title: "Model",
  render: ({ model: loaded, world_size: size }) => {
    if (loaded === null)
      return emptyState("No model loaded", "Start the server with --model, or wait until loading ends.")
    return html`
      <p class="model-id">${loaded.id}</p>
      <dl class="facts">
        ${fact("Family", loaded.family)}
        ${fact("Weights", loaded.quantization)}
        ${fact("Size", `${gigabytes(loaded.size_gb)} GB`)}
        ${fact("Context", `${count(loaded.context_length)} tokens`)}
        ${fact("Split over", size === 1 ? "1 rank" : `${size} ranks`)}
      </dl>
    `
  },
}
