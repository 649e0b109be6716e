// The cluster at a glance: how many nodes, how long, how much.

import { count, decimal, duration, rate } from "../format.ts"
import { nodeHealth, stateHealth } from "../health.ts"
import { type Html, html } from "../html.ts"
import type { Panel } from "./panel.ts"

function tile(label: string, value: string, unit: string, note: string): Html {
  return html`
    <div class="tile">
      <dt>${label}</dt>
      <dd>
        <span class="tile-value">${value}</span> ${unit !== "" && html`<span class="unit">${unit}</span>`}
        <span class="tile-note">${note}</span>
      </dd>
    </div>
  `
}

export const overview: Panel = {
  id: "overview",
  title: "Cluster overview",
  render: (snapshot) => {
    const nodes = Object.values(snapshot.nodes)
    const online = nodes.filter((node) => nodeHealth(node) === "ok").length
    const size = Math.max(snapshot.world_size, nodes.length)
    return html`
      <dl class="tiles">
        ${tile("Nodes online", `${online}/${size}`, "", size === 1 ? "one machine" : `world size ${snapshot.world_size}`)}
        ${tile("Generation", rate(snapshot.avg_tps_60s), "tok/s", "mean, last 60 s")}
        ${tile("Requests", count(snapshot.total_requests), "", `${count(snapshot.running)} running now`)}
        ${tile("Tokens", count(snapshot.total_tokens), "", "generated since start")}
        ${tile("Latency", decimal(snapshot.avg_latency_60s, 2), "s", "mean, last 60 s")}
        ${tile("Uptime", duration(snapshot.uptime_s), "", `version ${snapshot.version}`)}
      </dl>
      ${
        snapshot.state !== "ready" &&
        snapshot.detail !== "" &&
        html`<p class="notice ${stateHealth(snapshot.state)}" role="status">${snapshot.detail}</p>`
      }
    `
  },
}
