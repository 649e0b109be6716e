// The links between ranks: bandwidth against the link's ceiling, latency and the age of the last probe.

import { ago, decimal, percent } from "../format.ts"
import { type Health, linkHealth } from "../health.ts"
import { type Html, html } from "../html.ts"
import type { LinkView } from "../snapshot.ts"
import { type Panel, badge, bar, emptyState } from "./panel.ts"

const WORDS: Readonly<Record<Health, string>> = { ok: "Active", warn: "Degraded", bad: "Down", idle: "Unknown" }

function oneLink(name: string, detail: string, link: LinkView): Html {
  const health = linkHealth(link)
  return html`
    <article class="link">
      <header><h3>${name} <span class="muted">${detail}</span></h3>${badge(health, WORDS[health])}</header>
      <dl class="figures">
        <div><dt>Bandwidth</dt><dd>${decimal(link.bandwidth_gbps, 2)} <span class="unit">GB/s</span></dd></div>
        <div><dt>Latency</dt><dd>${decimal(link.latency_us, 1)} <span class="unit">µs</span></dd></div>
        <div><dt>Last probe</dt><dd class="text">${ago(link.last_probe_s)}</dd></div>
      </dl>
      ${
        link.share !== null &&
        html`
          ${bar(health, link.share, `${percent(link.share)} of the link's ceiling`)}
          <p class="caption">${percent(link.share)} of the link's ceiling</p>
        `
      }
    </article>
  `
}

export const link: Panel = {
  id: "link",
  title: "RDMA link",
  render: (snapshot) => {
    if (snapshot.links.length > 0) {
      return html`
        <div class="links">
          ${snapshot.links.map((each) => oneLink(`Rank ${each.from} ↔ rank ${each.to}`, each.label, each))}
        </div>
      `
    }
    if (snapshot.world_size > 1) return oneLink("All ranks", "", snapshot.rdma)
    return emptyState("One machine, no link", "Name more hosts in hostfile.json to split a model over a cluster.")
  },
}
