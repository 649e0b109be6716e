// One status of speculation for several models, or for a rank process and the ones before it.

import type { SpeculationStatus } from "./generation.ts"

/** Counts of both; the depth of the newer. Null where neither speculates. */
export function speculationSum(
  older: SpeculationStatus | null,
  newer: SpeculationStatus | null,
): SpeculationStatus | null {
  if (older === null || newer === null) return newer ?? older
  return {
    ...newer,
    proposedTokens: older.proposedTokens + newer.proposedTokens,
    acceptedTokens: older.acceptedTokens + newer.acceptedTokens,
    steps: older.steps + newer.steps,
    active: older.active + newer.active,
    resting: older.resting + newer.resting,
  }
}
