import t from "tap"
import { createTrial } from "./trial.ts"

t.test("acceptance follows what was judged", async (t) => {
  const trial = createTrial()
  const first = trial.acceptance
  for (let i = 0; i < 30; i++) trial.judged(4, 4)
  t.ok(trial.acceptance > 0.95 && trial.acceptance > first)
  for (let i = 0; i < 30; i++) trial.judged(4, 0)
  t.ok(trial.acceptance < 0.2)
})

t.test("what does not pay rests, is tried again, and rests longer each time until it pays", async (t) => {
  const trial = createTrial()
  const rests: number[] = []
  let known = 100
  for (let round = 0; round < 8; round++) {
    trial.rest(known)
    const from = known
    while (trial.resting) trial.look(++known)
    rests.push(known - from)
    t.ok(trial.onTrial)
    while (trial.onTrial) trial.judged(2, 0)
  }
  t.same(rests, [16, 32, 64, 128, 256, 512, 512, 512])
  trial.judged(4, 4)
  trial.rest(known)
  trial.look(known + 16)
  t.notOk(trial.resting, "it paid in between")
})

t.test("with nothing to propose for some steps it rests", async (t) => {
  const trial = createTrial()
  for (let i = 0; i < 7; i++) trial.missed(50 + i)
  t.notOk(trial.resting)
  trial.missed(57)
  t.ok(trial.resting)
})
