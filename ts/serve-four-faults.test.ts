// The matrix over four ranks: a few of its faults, all of them when the run is full.

import t from "tap"
import { runFaults } from "./testing/fault-matrix.ts"
import { LINK_FAULTS } from "./testing/link-faults.ts"
import { RANK_FAULTS, START_FAULTS } from "./testing/rank-faults.ts"

t.test("faults of four ranks", { timeout: 3_600_000 }, async (t) => {
  await runFaults(t, 4, [...LINK_FAULTS, ...RANK_FAULTS, ...START_FAULTS])
})
