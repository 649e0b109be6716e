// Links come one a direction; people see one cable. A pair is as good as its worse direction.

import type { LinkView, Snapshot } from "../snapshot.ts"

export type Link = Snapshot["links"][number]

const least = (a: number | null, b: number | null) => (a === null || b === null ? (a ?? b) : Math.min(a, b))
const most = (a: number | null, b: number | null) => (a === null || b === null ? (a ?? b) : Math.max(a, b))

function worse(a: LinkView, b: LinkView): LinkView {
  return {
    bandwidth_gbps: least(a.bandwidth_gbps, b.bandwidth_gbps),
    latency_us: most(a.latency_us, b.latency_us),
    link_active: a.link_active && b.link_active,
    last_probe_s: most(a.last_probe_s, b.last_probe_s),
    share: least(a.share, b.share),
    ceiling_gbps: least(a.ceiling_gbps ?? null, b.ceiling_gbps ?? null),
    ceiling_source: a.ceiling_source ?? b.ceiling_source ?? null,
    latency_p50_us: most(a.latency_p50_us ?? null, b.latency_p50_us ?? null),
    latency_p99_us: most(a.latency_p99_us ?? null, b.latency_p99_us ?? null),
    degraded: a.degraded ?? b.degraded ?? null,
  }
}

/** One entry a pair of ranks, the lower one first. */
export function linkPairs(links: readonly Link[]): readonly Link[] {
  const pairs = new Map<string, Link>()
  for (const link of links) {
    const [from, to] = link.from < link.to ? [link.from, link.to] : [link.to, link.from]
    const key = `${from} ${to}`
    const before = pairs.get(key)
    if (before === undefined) pairs.set(key, { ...link, from, to })
    else {
      const label = before.label === link.label ? link.label : `${before.label} ↔ ${link.label}`
      pairs.set(key, { ...worse(before, link), from, to, label })
    }
  }
  return [...pairs.values()]
}
