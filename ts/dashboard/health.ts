// What counts as good, worrying or bad: the one place of the thresholds that give panels their colours.

import type { LinkView, NodeView } from "./snapshot.ts"

export type Health = "ok" | "warn" | "bad" | "idle"

/** Shares of a host's memory in use. */
const MEMORY_WARN_SHARE = 0.7
const MEMORY_BAD_SHARE = 0.85
/** Below this share of what its cable carries a link is said to be degraded. */
const LINK_WARN_SHARE = 0.5
/** Share of the admission queue in use. */
const QUEUE_WARN_SHARE = 0.7

export function memoryHealth(share: number): Health {
  if (share > MEMORY_BAD_SHARE) return "bad"
  return share >= MEMORY_WARN_SHARE ? "warn" : "ok"
}

export function linkHealth(link: LinkView): Health {
  if (!link.link_active) return "bad"
  if (typeof link.degraded === "string") return "warn"
  // Of other links the ceiling is a guess: an interface may say what a switch or a tunnel behind it does not carry.
  const isCable = (link.ceiling_source ?? "cable") === "cable"
  return isCable && link.share !== null && link.share < LINK_WARN_SHARE ? "warn" : "ok"
}

export function nodeHealth(node: NodeView): Health {
  switch (node.status.toLowerCase()) {
    case "active":
      return "ok"
    case "starting":
    case "degraded":
      return "warn"
    case "disconnected":
      return "bad"
    default:
      return "idle"
  }
}

export function stateHealth(state: string): Health {
  switch (state) {
    case "ready":
      return "ok"
    case "starting":
    case "loading":
      return "warn"
    case "lost":
      return "bad"
    default:
      return "idle"
  }
}

export function queueHealth(share: number): Health {
  if (share >= 1) return "bad"
  return share >= QUEUE_WARN_SHARE ? "warn" : "ok"
}

export function requestHealth(status: string): Health {
  switch (status) {
    case "ok":
      return "ok"
    case "slow":
      return "warn"
    case "error":
      return "bad"
    default:
      return "idle"
  }
}
