import t from "tap"
import { createCollectiveCounter } from "./collective-totals.ts"

const work = (operations: number, bytes: number, microseconds: number) => ({
  stepUs: [1000, 3000],
  collectiveUs: [200, 800],
  collectives: { operations, bytes, microseconds },
})

t.test("collectives add up over restarts of the ranks, and the last minute gives rate and share", (t) => {
  const counter = createCollectiveCounter()
  t.equal(counter.read(0), null)
  counter.update(work(10, 4000, 1000), 500)
  counter.update(work(30, 9000, 2000), 600)
  t.match(counter.read(700), { operations: 30, bytes: 9000, seconds: 0.002, share: null })
  t.match(counter.read(1500), { bytesPerSecond: 4_500_000, share: 0.25 })
  counter.update(work(5, 100, 50), 1600)
  t.match(counter.read(1700), { operations: 35, bytes: 9100, seconds: 0.00205 }, "a new rank counts from nothing")
  t.match(counter.read(120_000), { operations: 35, bytesPerSecond: null, share: null })
  t.end()
})
