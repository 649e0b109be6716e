// The line in the page's head: which model answers and whether the cluster is ready.

import { stateHealth } from "../health.ts"
import { html } from "../html.ts"
import { type Panel, badge } from "./panel.ts"

const WORDS: Readonly<Record<string, string>> = {
  starting: "Starting",
  loading: "Loading model",
  ready: "Online",
  lost: "Rank lost",
  stopped: "Stopped",
}

export const headline: Panel = {
  id: "headline",
  title: "Status",
  render: (snapshot) => html`
    <span class="headline-model" title="${snapshot.model?.id ?? ""}">${snapshot.model?.id ?? "No model loaded"}</span>
    <span title="${snapshot.detail}">${badge(stateHealth(snapshot.state), WORDS[snapshot.state] ?? snapshot.state)}</span>
  `,
}
