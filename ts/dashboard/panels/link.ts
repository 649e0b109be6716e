// The links between ranks: bandwidth against the link's ceiling, latency and the age of the last probe.

import { ago, count, decimal, gigabytes, percent } from "../format.ts"
import { type Health, linkHealth } from "../health.ts"
import { type Html, html } from "../html.ts"
import type { CollectivesView, LinkView } from "../snapshot.ts"
import { linkPairs } from "./link-pairs.ts"
import { type Panel, badge, bar, emptyState, fact } from "./panel.ts"

const WORDS: Readonly<Record<Health, string>> = { ok: "Active", warn: "Degraded", bad: "Down", idle: "Unknown" }

const CEILINGS = {
  cable: "what the cable carries",
  interface: "what the network interfaces carry",
  measured: "the best that was measured",
} as const

function ceilingOf(link: LinkView, share: number): string {
  if (!link.link_active) return "Down: the figures are those of the last probe"
  const name = CEILINGS[link.ceiling_source ?? "cable"]
  const figure = typeof link.ceiling_gbps === "number" ? `, ${decimal(link.ceiling_gbps, 2)} GB/s` : ""
  return `${percent(share)} of ${name}${figure}`
}

/** A link that is down carries nothing, whatever its last probe said. */
const shareNow = (link: LinkView) => (link.link_active ? link.share : 0)

function oneLink(name: string, detail: string, link: LinkView): Html {
  const health = linkHealth(link)
  const share = shareNow(link)
  return html`
    <article class="link">
      <header><h3>${name} <span class="muted">${detail}</span></h3>${badge(health, WORDS[health])}</header>
      <dl class="figures">
        <div><dt>Bandwidth</dt><dd>${decimal(link.bandwidth_gbps, 2)} <span class="unit">GB/s</span></dd></div>
        <div><dt>Latency</dt><dd>${decimal(link.latency_us, 1)} <span class="unit">µs</span></dd></div>
        ${
          typeof link.latency_p99_us === "number" &&
          html`<div><dt>p99</dt><dd>${decimal(link.latency_p99_us, 1)} <span class="unit">µs</span></dd></div>`
        }
        <div><dt>Last probe</dt><dd class="text">${ago(link.last_probe_s)}</dd></div>
      </dl>
      ${typeof link.degraded === "string" && html`<p class="caption">${link.degraded}</p>`}
      ${
        share !== null &&
        html`
          ${bar(health, share, ceilingOf(link, share))}
          <p class="caption">${ceilingOf(link, share)}</p>
        `
      }
    </article>
  `
}

/** Three lines of figures a link are too many for the six links of four nodes. */
function compactLink(name: string, detail: string, link: LinkView): Html {
  const health = linkHealth(link)
  const share = shareNow(link)
  return html`
    <article class="link compact">
      <header><h3>${name} <span class="muted">${detail}</span></h3>${badge(health, WORDS[health])}</header>
      ${share !== null && bar(health, share, ceilingOf(link, share))}
      <p class="caption">${decimal(link.bandwidth_gbps, 2)} GB/s · ${decimal(link.latency_us, 1)} µs · ${link.last_probe_s === null ? "not probed yet" : `probed ${ago(link.last_probe_s)}`}</p>
    </article>
  `
}

/** Above this many links each is drawn small. */
const ROOMY_LINKS_MAX = 2

/** What the model itself sends: measured in every step, at no cost to it. */
function collectives(totals: CollectivesView): Html {
  return html`
    <dl class="facts collectives">
      ${fact("Collectives", `${count(totals.operations)}, ${gigabytes(totals.bytes / 1e9)} GB`)}
      ${totals.share_60s !== null && fact("Share of a step, 60 s", percent(totals.share_60s))}
      ${totals.gbps_60s !== null && fact("Payload rate, 60 s", `${decimal(totals.gbps_60s, 3)} GB/s`)}
    </dl>
  `
}

export const link: Panel = {
  id: "link",
  title: "RDMA link",
  render: (snapshot) => {
    const links = linkPairs(snapshot.links)
    const draw = links.length > ROOMY_LINKS_MAX ? compactLink : oneLink
    if (links.length > 0) {
      return html`
        <div class="links">
          ${links.map((each) => draw(`Rank ${each.from} ↔ rank ${each.to}`, each.label, each))}
        </div>
        ${snapshot.collectives !== null && collectives(snapshot.collectives)}
      `
    }
    if (snapshot.world_size > 1) return oneLink("All ranks", "", snapshot.rdma)
    return emptyState("One machine, no link", "Name more hosts in hostfile.json to split a model over a cluster.")
  },
}
