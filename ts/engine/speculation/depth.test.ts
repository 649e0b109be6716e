import t from "tap"
import { chooseDepths } from "./depth.ts"

/** A step of one row and a bit for each further one. */
const cheapRows = { stepUs: (rows: number) => 900 + 100 * rows, passUs: () => 50 }

t.test("the better the proposals, the deeper; none where none pays", async (t) => {
  const depthAt = (acceptance: number): number => chooseDepths([{ acceptance, most: 7 }], 1, cheapRows)[0] ?? -1
  t.equal(depthAt(1), 7)
  t.equal(depthAt(0.05), 0)
  const depths = [0.05, 0.2, 0.4, 0.6, 0.8, 0.95].map(depthAt)
  t.same(
    depths,
    depths.toSorted((a, b) => a - b),
  )
  t.same(chooseDepths([], 3, cheapRows), [])
})

t.test("where every row costs as much as a step, nothing is proposed", async (t) => {
  const dear = { stepUs: (rows: number) => 1000 * rows, passUs: () => 10 }
  t.same(chooseDepths([{ acceptance: 0.9, most: 7 }], 1, dear), [0])
  const full = Array.from({ length: 32 }, () => ({ acceptance: 0.6, most: 7 }))
  t.ok(
    chooseDepths(full, 32, { stepUs: (rows) => Math.max(1000, 100 * rows), passUs: () => 0 }).every(
      (depth) => depth === 0,
    ),
    "a batch that fills the machine leaves no room",
  )
})

t.test("in a batch, those that are right more often get more", async (t) => {
  const candidates = [0.9, 0.3, 0.6].map((acceptance) => ({ acceptance, most: 7 }))
  const [often = 0, seldom = 0, between = 0] = chooseDepths(candidates, 3, cheapRows)
  t.ok(often > between && between > seldom, `${often}, ${between}, ${seldom}`)
})

t.test("rows come in tiles: the depth fills one", async (t) => {
  const tiles = { stepUs: (rows: number) => 1000 * Math.ceil(rows / 4), passUs: () => 0 }
  t.same(chooseDepths([{ acceptance: 0.9, most: 7 }], 1, tiles), [3])
})
