import t from "tap"
import { vocabularyShares } from "./vocabulary-share.ts"

function sharesOf(vocabularySize: number, size: number, weights?: readonly number[]) {
  // Only the size of the vocabulary is read of a configuration.
  const config = { vocabularySize } as Parameters<typeof vocabularyShares>[0]["config"]
  return vocabularyShares({ config, position: { rank: 0, size, weights } })
}

t.test("the ranks have all of the vocabulary between them, in whole blocks of the kernels", async (t) => {
  for (const vocabulary of [4, 17, 96, 1000, 49_152, 151_936])
    for (const weights of [undefined, [1, 1, 1, 1], [3, 2, 1], [8, 1]]) {
      const shares = sharesOf(vocabulary, weights?.length ?? 4, weights)
      let next = 0
      for (const [from, to] of shares) {
        t.equal(from, next)
        t.ok(to > from, `${vocabulary} by ${weights?.join() ?? "four"}`)
        t.ok(vocabulary < 64 || from % 16 === 0)
        next = to
      }
      t.equal(next, vocabulary)
    }
})

t.test("shares follow the weights of the ranks", async (t) => {
  t.same(sharesOf(49_152, 2, [3, 1]), [
    [0, 36_864],
    [36_864, 49_152],
  ])
})
