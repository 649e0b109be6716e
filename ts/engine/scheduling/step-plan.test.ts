import t from "tap"
import { SampleWord } from "../models/index.ts"
import { decodePlan, encodePlan, type StepPlan } from "./step-plan.ts"

const plan: StepPlan = {
  model: 2,
  epoch: 7,
  step: 41,
  kvOperations: [
    { kind: "open", kv: 3 },
    { kind: "fork", kv: 4, from: 3, length: 17 },
    { kind: "truncate", kv: 4, length: 9 },
    { kind: "close", kv: 3 },
  ],
  segments: [
    { sequence: 5, kv: 4, start: 9, entries: Int32Array.of(11, 12), samples: 0 },
    { sequence: 6, kv: 2, start: 30, entries: Int32Array.of(-1), samples: 1 },
    { sequence: 7, kv: 5, start: 12, entries: Int32Array.of(20, 21, 22), samples: 3 },
  ],
  sampleRows: Int32Array.from({ length: 4 * SampleWord.WORDS }, (_, i) => i),
  logprobs: Int32Array.of(-1, 0, 0, 0),
  adjustments: Int32Array.of(9, 8, 7, 6, 0),
  maskedRows: Int32Array.of(1, 2),
}

t.test("a plan comes back equal", async (t) => {
  t.same(decodePlan(encodePlan(plan)), plan)
})

t.test("a plan cut anywhere, or longer than it says, is refused", async (t) => {
  const words = encodePlan(plan)
  for (let length = 0; length < words.length; length++) t.throws(() => decodePlan(words.slice(0, length)))
  t.throws(() => decodePlan(Int32Array.from([...words, 0])), /1 words too many/)
})
