// Each node's state and how long ago it was heard from.

import { ago } from "../format.ts"
import { nodeHealth } from "../health.ts"
import { html } from "../html.ts"
import { type Panel, badge, emptyState } from "./panel.ts"

export const nodes: Panel = {
  id: "nodes",
  title: "Node health",
  render: (snapshot) => {
    const all = Object.entries(snapshot.nodes)
    if (all.length === 0) return emptyState("No node yet", "Nodes appear here as their ranks report in.")
    return html`
      <ul class="nodes">
        ${all.map(
          ([rank, node]) => html`
            <li class="node ${nodeHealth(node)}">
              <span class="node-rank" aria-hidden="true">${rank}</span>
              <div class="node-body">
                <p class="node-name">${node.hostname}</p>
                <p class="caption">Rank ${rank}, ${rank === "0" ? "coordinator" : "peer"} · ${node.last_heartbeat_s === null ? "not heard from yet" : `heard ${ago(node.last_heartbeat_s)}`}</p>
                ${node.detail !== "" && html`<p class="node-detail">${node.detail}</p>`}
              </div>
              ${badge(nodeHealth(node), node.status.toUpperCase())}
            </li>
          `,
        )}
      </ul>
    `
  },
}
