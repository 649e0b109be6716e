import t from "tap"
import { createStragglerMeter } from "./straggler.ts"

const SECOND = 1_000_000
const ranks = (...us: number[]) => us.map((collectiveUs) => ({ collectiveUs }))

t.test("the rank that waits least is the one that the others wait for", async (t) => {
  const meter = createStragglerMeter()
  meter.update(ranks(0, 0, 0), 0)
  meter.update(ranks(SECOND, 0.1 * SECOND, SECOND), SECOND)
  t.equal(meter.read(), null, "a second says nothing")
  meter.update(ranks(2 * SECOND, 0.2 * SECOND, 1.8 * SECOND), 4 * SECOND)
  t.same(meter.read(), { shares: [0.5, 0.05, 0.45], straggler: 1 })
})

t.test("ranks that take turns, or hardly wait, have no straggler", async (t) => {
  const meter = createStragglerMeter()
  meter.update(ranks(0, 0), 0)
  meter.update(ranks(SECOND, 0.8 * SECOND), 4 * SECOND)
  t.equal(meter.read()?.straggler, null)
  meter.update(ranks(1.04 * SECOND, 0.81 * SECOND), 8 * SECOND)
  t.equal(meter.read()?.straggler, null)
  meter.reset()
  t.equal(meter.read(), null)
  meter.update(ranks(5, 5), 9 * SECOND)
  meter.update(ranks(5, 5, 5), 12 * SECOND)
  t.equal(meter.read(), null, "another group begins anew")
})
