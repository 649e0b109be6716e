// Can a request be served now, and if not, why: one sentence for a person. Names the rank that is missing.

import type { ClusterStatus, NodeStatus } from "../control/index.ts"
import type { Ready } from "./schemas/operations.ts"
import type { Services } from "./services.ts"

export function readiness({ engine, cluster, admission }: Pick<Services, "engine" | "cluster" | "admission">): Ready {
  const status = engine.status()
  const models = status.models.map((model) => model.id)
  const no = (detail: string): Ready => ({ ready: false, state: status.state, detail, models })
  if (admission.draining) return no("the server is shutting down")
  const now = cluster()
  const nodes = serving(now)
  const named = ({ rank, hostname, state, detail }: NodeStatus) =>
    `rank ${rank} on ${hostname} is ${state}${detail === "" ? "" : `: ${detail}`}`
  if (status.state !== "ready") {
    // Of several ranks the one that the others wait for.
    const missing = nodes.length > 1 ? nodes.find(({ state }) => state !== "active") : undefined
    const detail = status.detail || `the engine is ${status.state}`
    return no(missing === undefined ? detail : `${detail} (${named(missing)})`)
  }
  const lost = nodes.find((node) => node.state === "disconnected")
  if (lost !== undefined) return no(named(lost))
  return { ready: true, state: status.state, detail: status.detail || leftOut(now), models }
}

/** Which ranks the others have gone on without, in a sentence; "": none. */
export function leftOut(cluster: ClusterStatus): string {
  const { size } = cluster
  const members = serving(cluster)
  const out = cluster.nodes.filter((node) => !members.includes(node))
  if (out.length === 0) return ""
  const names = out.map(({ rank, hostname, detail }) => `rank ${rank} on ${hostname} is ${detail}`)
  return `served by ${members.length} of ${size} ranks: ${names.join("; ")}`
}

function serving({ nodes, members }: ClusterStatus): readonly NodeStatus[] {
  return nodes.filter(({ rank }) => members === undefined || members.includes(rank))
}
