import t from "tap"
import { createStepCostMeter } from "./step-cost-meter.ts"

t.test("nothing is known before there are steps of different rows", async (t) => {
  const meter = createStepCostMeter()
  for (let i = 0; i < 20; i++) meter.step(1, 500)
  t.equal(meter.costs, null)
})

t.test("costs are those of the quiet steps, and a line tells those of rows not seen", async (t) => {
  const meter = createStepCostMeter()
  for (let i = 0; i < 100; i++) {
    const rows = 1 + (i % 5)
    const isDisturbed = i % 3 === 0
    meter.step(rows, (400 + 100 * rows) * (isDisturbed ? 7 : 1))
    meter.pass(2, isDisturbed ? 900 : 90)
  }
  t.equal(meter.costs?.passUs(2), 90)
  t.equal(meter.costs?.stepUs(3), 700)
  t.ok(Math.abs((meter.costs?.stepUs(9) ?? 0) - 1300) < 50)
})

t.test("a machine that has become slower is noticed", async (t) => {
  const meter = createStepCostMeter()
  for (let i = 0; i < 60; i++) meter.step(1 + (i % 3), 100)
  for (let i = 0; i < 60; i++) meter.step(1 + (i % 3), 300)
  t.equal(meter.costs?.stepUs(2), 300)
})
