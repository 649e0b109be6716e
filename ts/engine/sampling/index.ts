// The door of ts/engine/sampling.

export { type Adjuster, adjustmentWords, createAdjuster } from "./adjuster.ts"
export { alternatives, type Alternative } from "./alternatives.ts"
export { type Constraint, MASK_BITS, type OpenConstraint, writeMasks } from "./constraint.ts"
export { sampleTemplate, writeSampleRow, type SampleTemplate } from "./sample-row.ts"
