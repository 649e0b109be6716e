// The door of ts/engine/scheduling.

export { createKvSequences } from "./kv-memory.ts"
export { kvBudget } from "./kv-budget.ts"
export { createModelRunner, RUNNER_REGISTERS } from "./model-runner.ts"
export { createPrefixCache } from "./prefix-cache.ts"
export { createRecordWriter } from "./record-writer.ts"
export { createScheduler, type Scheduler, type SchedulerOptions } from "./scheduler.ts"
export { createStepLoop, type StepLoop } from "./step-loop.ts"
