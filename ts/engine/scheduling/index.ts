// The door of ts/engine/scheduling.

export { createKvSequences, type KvSequences } from "./kv-memory.ts"
export { kvBudget, kvBytesPerPosition } from "./kv-budget.ts"
export { createModelRunner, isKvFull, type ModelRunner, RUNNER_REGISTERS } from "./model-runner.ts"
export { createPrefixCache, type PrefixCache } from "./prefix-cache.ts"
export { createPrefixDisk, type PrefixDisk } from "./prefix-disk.ts"
export { createRecordWriter } from "./record-writer.ts"
export { createScheduler, type Scheduler, type SchedulerOptions } from "./scheduler.ts"
export { adjustmentRow, createSequence, hasSamePrompt, type Sequence } from "./sequence.ts"
export type { Speculator } from "./speculator.ts"
export { createStepLoop, type StepLoop } from "./step-loop.ts"
export { decodePlan, encodePlan, type StepPlan } from "./step-plan.ts"
