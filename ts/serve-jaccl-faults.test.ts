// The matrix over JACCL: MLX's own, on fake verbs (scripts/fake-verbs.js), as a mesh and as a ring.

import { fileURLToPath } from "node:url"
import t from "tap"
import { runFaults } from "./testing/fault-matrix.ts"
import { LINK_FAULTS } from "./testing/link-faults.ts"
import { RANK_FAULTS, START_FAULTS } from "./testing/rank-faults.ts"

const ROOT = fileURLToPath(new URL("../../", import.meta.url))
process.env["MLX_CLUSTER_JACCL"] ??= `${ROOT}target/fake-verbs/libmlx_jaccl_verbs.so`
process.env["FAKE_VERBS_SESSION"] = String(process.pid)
const skip = process.platform === "linux" ? false : "fake verbs are for Linux"
const timeout = 1_800_000

t.test("faults of a mesh of two ranks", { skip, timeout }, async (t) => {
  await runFaults(t, 2, [...LINK_FAULTS, ...RANK_FAULTS, ...START_FAULTS], "jaccl")
})

/** A ring hands sums on: what is damaged reaches every rank alike. */
t.test("a damaged message in a ring of three ranks", { skip, timeout }, async (t) => {
  const damaged = LINK_FAULTS.filter(({ name }) => name.startsWith("exponent bit"))
  t.equal(damaged.length, 1)
  await runFaults(t, 3, damaged, "jaccl-ring")
})
