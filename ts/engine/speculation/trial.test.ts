import t from "tap"
import { createTrial } from "./trial.ts"

t.test("acceptance follows what was judged", async (t) => {
  const trial = createTrial(() => 0.7)
  const first = trial.acceptance
  for (let i = 0; i < 30; i++) trial.judged(4, 4)
  t.ok(trial.acceptance > 0.95 && trial.acceptance > first)
  for (let i = 0; i < 30; i++) trial.judged(4, 0)
  t.ok(trial.acceptance < 0.2)
})

t.test("what does not pay rests, is tried again, and rests longer each time until it pays", async (t) => {
  const trial = createTrial(() => 0.7)
  const rests: number[] = []
  let known = 100
  for (let round = 0; round < 8; round++) {
    trial.rest(known)
    const from = known
    while (trial.resting) trial.look(++known)
    rests.push(known - from)
    t.ok(trial.acceptance >= 0.5, "with new hope")
    for (let i = 0; i < 5; i++) trial.judged(2, 0)
  }
  t.same(rests, [32, 64, 128, 256, 512, 512, 512, 512])
  trial.judged(4, 4)
  trial.rest(known)
  trial.look(known + 32)
  t.notOk(trial.resting, "it paid in between")
})

t.test("with nothing to propose for some steps it rests", async (t) => {
  const trial = createTrial(() => 0.7)
  for (let i = 0; i < 7; i++) trial.missed(50 + i)
  t.notOk(trial.resting)
  trial.missed(57)
  t.ok(trial.resting)
})
