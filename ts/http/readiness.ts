// Can a request be served now, and if not, why: one sentence for a person. Names the rank that is missing.

import type { NodeStatus } from "../control/index.ts"
import type { Ready } from "./schemas/operations.ts"
import type { Services } from "./services.ts"

export function readiness({ engine, cluster, admission }: Pick<Services, "engine" | "cluster" | "admission">): Ready {
  const status = engine.status()
  const no = (detail: string): Ready => ({ ready: false, state: status.state, detail, models })
  const models = status.models.map((model) => model.id)
  if (admission.draining) return no("the server is shutting down")
  const { nodes } = cluster()
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
  return { ready: true, state: status.state, detail: status.detail, models }
}
