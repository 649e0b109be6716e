// Rank processes that die, stand still or lose the front. How the matrix is run: testing/fault-matrix.ts.

import t from "tap"
import { runFaults } from "./testing/fault-matrix.ts"
import { RANK_FAULTS } from "./testing/rank-faults.ts"

t.test("faults of two ranks", { timeout: 1_800_000 }, async (t) => await runFaults(t, 2, RANK_FAULTS))
