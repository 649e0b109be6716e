// What a link between two ranks can carry at best: as its cable is known to, as the interfaces of both ends say, or, where
// nothing tells, the best that was measured.

import type { LinkCeiling } from "./control/index.ts"

/** Bytes a second of one Thunderbolt 5 cable under RDMA, as the roadmap measured it. */
const CABLE_BYTES_PER_SECOND: Readonly<Record<string, number>> = { jaccl: 8e9 }

/** `speeds`: of each rank's network interface, by rank; `best`: of the probes so far. All in bytes a second. */
export function linkCeiling(
  link: { readonly from: number; readonly to: number; readonly transport: string },
  speeds: readonly (number | null)[],
  best: number | null,
): LinkCeiling | null {
  const cable = CABLE_BYTES_PER_SECOND[link.transport]
  const known = cable ?? slower(speeds[link.from] ?? null, speeds[link.to] ?? null)
  // A link that was faster than it is said to be has no such ceiling.
  if (known !== null && (best === null || best <= known)) {
    return { bytesPerSecond: known, source: cable === undefined ? "interface" : "cable" }
  }
  return best === null ? null : { bytesPerSecond: best, source: "measured" }
}

function slower(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : Math.min(a, b)
}
