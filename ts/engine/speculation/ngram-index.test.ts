import t from "tap"
import { createNgramIndex } from "./ngram-index.ts"

t.test("finds what followed the last tokens, the longest match first, as the text grows", async (t) => {
  const ids = Int32Array.of(9, 1, 2, 3, 50, 4, 5, 1, 2, 3, 60, 0, 9, 1, 2, 3)
  const index = createNgramIndex()
  index.extend(ids, 4)
  t.equal(index.find(ids, 4), -1, "it is not its own predecessor")
  index.extend(ids, 10)
  t.equal(index.find(ids, 10), 4, "1 2 3 came before 50")
  index.extend(ids, 16)
  t.equal(ids[index.find(ids, 16)], 60, "the newest of equals")
})

t.test("a long text of few tokens is searched without a wrong answer", async (t) => {
  const ids = Int32Array.from({ length: 20_000 }, (_, i) => (i * i * 7 + (i >> 3)) % 11)
  const index = createNgramIndex()
  let found = 0
  for (let length = 100; length < ids.length; length += 97) {
    index.extend(ids, length)
    const position = index.find(ids, length)
    if (position < 0) continue
    found++
    t.same(ids.slice(position - 3, position), ids.slice(length - 3, length))
    t.ok(position < length)
  }
  t.ok(found > 150)
})
