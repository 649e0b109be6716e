// Links between ranks that break, stall or slow down, and messages that are lost or damaged.
// How the matrix is run: testing/fault-matrix.ts.

import t from "tap"
import { runFaults } from "./testing/fault-matrix.ts"
import { LINK_FAULTS } from "./testing/link-faults.ts"

t.test("faults of two ranks", { timeout: 1_800_000 }, async (t) => await runFaults(t, 2, LINK_FAULTS))
