// Each node's state and how long ago it was heard from; how the ranks are joined, and how they have proved themselves.

import { ago, clockTime, count, percent } from "../format.ts"
import { nodeHealth } from "../health.ts"
import { type Html, html } from "../html.ts"
import type { CertificateView, GroupView, NodeView, Snapshot } from "../snapshot.ts"
import { type Panel, badge, emptyState, fact } from "./panel.ts"

const TRANSPORTS: Readonly<Record<string, string>> = {
  tcp: "TCP",
  "jaccl-mesh": "JACCL, a mesh",
  "jaccl-ring": "JACCL, a ring",
  ring: "MLX ring",
  nccl: "NCCL",
}
/** Digits of a hash that tell it from others at a glance. */
const HASH_DIGITS = 12

function oneNode(rank: string, node: NodeView, { group }: Snapshot): Html {
  const share = group?.shares[Number(rank)]
  const facts = [
    rank === "0" ? "Coordinator" : "Worker",
    ...(share === undefined ? [] : [`${percent(share)} of the model`]),
    node.last_heartbeat_s === null ? "not heard from yet" : `heard ${ago(node.last_heartbeat_s)}`,
  ]
  return html`
    <li class="node ${nodeHealth(node)}">
      <span class="node-rank"><span class="visually-hidden">Rank </span>${rank}</span>
      <div class="node-body">
        <p class="node-name">${node.hostname}</p>
        <p class="caption">${facts.join(" · ")}</p>
      </div>
      ${badge(nodeHealth(node), node.status.toUpperCase())}
      ${node.detail !== "" && html`<p class="node-detail">${node.detail}</p>`}
    </li>
  `
}

function proof(certificate: CertificateView): Html {
  const { agreeing, tokens, mlx_version: mlx, backend, hash, time } = certificate
  const isOne = certificate.proof === "one rank"
  return html`
    <div class="proof ok">
      <p class="proof-title">${badge("ok", "Verified")} ${isOne ? "The ranks answer as one alone does" : "The ranks agree, however the prompt is cut"}</p>
      <p class="caption">${agreeing} of ${tokens} tokens equal · MLX ${mlx}, ${backend} · <code title="${hash}">${hash.slice(0, HASH_DIGITS)}</code> · ${clockTime(time)}</p>
    </div>
  `
}

function joined(group: GroupView, waiting: Snapshot["waiting"]): Html {
  const guard = group.guarded ? "guarded" : "not guarded"
  const straggler = waiting?.straggler ?? null
  const waits = (waiting?.shares ?? []).map(percent).join(" · ")
  return html`
    <dl class="facts">
      ${fact("Transport", `${TRANSPORTS[group.transport] ?? group.transport}, ${guard}`)}
      ${waits !== "" && fact("Time in collectives, by rank", waits)}
      ${straggler !== null && fact("The others wait for", `rank ${straggler}`)}
      ${fact("MLX_METAL_FAST_SYNCH", group.metal_fast_synch ? "on" : "off")}
      ${group.epoch > 1 && fact("Starts of the ranks", count(group.epoch))}
    </dl>
  `
}

export const nodes: Panel = {
  id: "nodes",
  title: "Node health",
  render: (snapshot) => {
    const all = Object.entries(snapshot.nodes)
    if (all.length === 0) return emptyState("No node yet", "Nodes appear here as their ranks report in.")
    const { certificate, group, waiting } = snapshot
    return html`
      <ul class="nodes">
        ${all.map(([rank, node]) => oneNode(rank, node, snapshot))}
      </ul>
      ${certificate !== null && certificate !== undefined && proof(certificate)}
      ${group !== null && group !== undefined && joined(group, waiting)}
    `
  },
}
