import t from "tap"
import { createAbsence } from "./absence.ts"
import { createManualClock } from "./clock.ts"

function absence(afterMs: number | null, obstacle: (members: readonly number[]) => string | null = () => null) {
  const clock = createManualClock()
  const refused: string[] = []
  const made = createAbsence({ size: 3, afterMs, clock, obstacle, refused: (reason) => refused.push(reason) })
  return { ...made, clock, refused }
}

t.test("a rank is left out when it has been away for so long, and taken in when it is there again", async (t) => {
  const group = absence(1000)
  group.served()
  group.left(1)
  group.left(2)
  group.clock.advance(400)
  group.failed(1, "nothing answers")
  t.same(group.members(), [0, 1, 2])
  t.equal(group.dueMs(), 600, "counted from when it was there last")
  group.clock.advance(600)
  t.same(group.members(), [0, 2], "a rank that had no chance to come is not blamed")
  t.equal(group.reason(1), "nothing answers")
  t.equal(group.dueMs(), null)
  group.failed(2, "gone too")
  t.same(group.members(), [0], "one that fails later has been away as long")
  group.joined(1)
  t.same(group.members(), [0, 1])
})

t.test("nobody is left out without the option, before the group has served, or where rank 0 is", async (t) => {
  const never = absence(null)
  never.served()
  never.failed(1, "x")
  never.clock.advance(1e9)
  t.same(never.members(), [0, 1, 2])
  const first = absence(0)
  first.failed(1, "x")
  t.same(first.members(), [0, 1, 2])
  first.served()
  first.failed(0, "x")
  first.failed(1, "x")
  t.same(first.members(), [0, 2])
})

t.test("what keeps the others from serving alone is said once", async (t) => {
  const group = absence(0, (remaining) => `too little room on ${remaining.length}`)
  group.served()
  group.failed(2, "x")
  t.same(
    [group.members(), group.members()],
    [
      [0, 1, 2],
      [0, 1, 2],
    ],
  )
  t.same(group.refused, ["too little room on 2"])
})

t.test("a smaller group that cannot serve gives the missing ones their time anew", async (t) => {
  const group = absence(1000)
  group.served()
  group.left(1)
  group.clock.advance(1000)
  group.failed(1, "x")
  t.same(group.members(), [0, 2])
  group.insist()
  t.same(group.members(), [0, 1, 2])
  group.clock.advance(1000)
  t.same(group.members(), [0, 2])
})
