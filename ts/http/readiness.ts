// Can a request be served now, and if not, why: one sentence for a person. Names the rank that is missing.

import type { Ready } from "./schemas/operations.ts"
import type { Services } from "./services.ts"

export function readiness({ engine, cluster, admission }: Pick<Services, "engine" | "cluster" | "admission">): Ready {
  const status = engine.status()
  const no = (detail: string): Ready => ({ ready: false, state: status.state, detail, models })
  const models = status.models.map((model) => model.id)
  if (admission.draining) return no("the server is shutting down")
  if (status.state !== "ready") return no(status.detail || `the engine is ${status.state}`)
  const lost = cluster().nodes.find((node) => node.state === "disconnected")
  if (lost !== undefined)
    return no(`rank ${lost.rank} on ${lost.hostname} is disconnected${lost.detail === "" ? "" : `: ${lost.detail}`}`)
  return { ready: true, state: status.state, detail: status.detail, models }
}
