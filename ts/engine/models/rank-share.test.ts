import t from "tap"
import { countedShare, rankShare } from "./rank-share.ts"

function sharesOf(units: number, weights: readonly number[] | undefined, size = weights?.length ?? 1) {
  return Array.from({ length: size }, (_, rank) =>
    rankShare(units, { rank, size, ...(weights === undefined ? {} : { weights }) }),
  )
}

t.test("shares follow the weights, leave nothing out and nobody without", async (t) => {
  t.same(sharesOf(8, [3, 1]), [
    [0, 6],
    [6, 8],
  ])
  t.same(
    sharesOf(3, [100, 1]).map(([from, to]) => to - from),
    [2, 1],
  )
  for (const units of [4, 5, 9, 48, 172])
    for (const weights of [
      [1, 1],
      [3, 2, 1],
      [1, 0.1, 5, 2],
      [64, 16, 16, 32],
    ]) {
      const shares = sharesOf(units, weights)
      let next = 0
      for (const [from, to] of shares) {
        t.equal(from, next)
        t.ok(to > from, `${units} by ${weights.join()}`)
        next = to
      }
      t.equal(next, units)
    }
})

t.test("without weights they are even", async (t) => {
  t.same(sharesOf(9, undefined, 4), [
    [0, 2],
    [2, 4],
    [4, 6],
    [6, 9],
  ])
})

t.test("with more ranks than units the last ones repeat one that does not count", async (t) => {
  t.same(
    [0, 1, 2].map((rank) => countedShare(2, { rank, size: 3 })),
    [
      { share: [0, 1], counts: true },
      { share: [1, 2], counts: true },
      { share: [0, 1], counts: false },
    ],
  )
})
