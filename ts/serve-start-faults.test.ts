// A lost rank whose successors never come, cannot start, or die while they load. How the matrix is run:
// testing/fault-matrix.ts.

import t from "tap"
import { runFaults } from "./testing/fault-matrix.ts"
import { START_FAULTS } from "./testing/rank-faults.ts"

t.test("faults of the start of two ranks", { timeout: 1_800_000 }, async (t) => await runFaults(t, 2, START_FAULTS))
