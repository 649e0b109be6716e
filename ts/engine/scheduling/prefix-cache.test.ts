import t from "tap"
import { createPrefixCache } from "./prefix-cache.ts"

/** KV sequences as plain numbers with their lengths. */
function setUp() {
  const open = new Set<number>()
  let next = 100
  const forks: [from: number, length: number][] = []
  const cache = createPrefixCache({
    fork(from, length) {
      if (!open.has(from)) throw new Error(`fork of ${from}, which is closed`)
      forks.push([from, length])
      open.add(next)
      return next++
    },
    close: (kv) => void (open.delete(kv) || t.fail(`${kv} is closed twice`)),
  })
  const insert = (kv: number, ids: readonly number[], salt = ""): void => {
    open.add(kv)
    cache.insert(salt, Int32Array.from(ids), kv)
  }
  const hit = (ids: readonly number[], salt = ""): number =>
    cache.lookup(salt, Int32Array.from(ids), ids.length)?.length ?? 0
  return { cache, open, forks, insert, hit }
}

t.test("a hit says how the cache goes on where the prompt goes elsewhere", async (t) => {
  const { insert, cache } = setUp()
  insert(1, [1, 2, 3, 4, 5])
  const otherwise = (...ids: number[]) => cache.lookup("", Int32Array.from(ids), ids.length)?.otherwise
  t.equal(otherwise(1, 2, 8), 3, "inside what one answer left")
  t.equal(otherwise(1, 2, 3), -1, "the whole prompt is there")
  t.equal(otherwise(1, 2, 3, 4, 5, 6), -1, "the prompt goes on where the cache ends")
  insert(2, [1, 2, 9, 9])
  t.equal(otherwise(1, 2, 7), 3, "where two ways part, the older one")
  t.equal(otherwise(8), undefined)
})

t.test("the longest common prefix is found at any length, by salt", async (t) => {
  const { insert, hit, cache } = setUp()
  insert(1, [1, 2, 3, 4, 5])
  insert(2, [1, 2, 9, 9])
  insert(3, [7])
  t.equal(hit([1, 2, 3, 4, 5, 6]), 5)
  t.equal(hit([1, 2, 3, 8]), 3)
  t.equal(hit([1, 2, 9]), 3)
  t.equal(hit([1, 8]), 1)
  t.equal(hit([8]), 0)
  t.equal(hit([1, 2, 3], "other"), 0)
  t.equal(cache.reach("", Int32Array.of(1, 2, 9, 7), 4), 3)
  t.equal(cache.copy("", Int32Array.of(1, 2, 9, 7), 4), -1, "not all of it is there")
  t.not(cache.copy("", Int32Array.of(1, 2, 9, 7), 3), -1)
  t.equal(cache.entries, 3)
})

t.test("a longer sequence replaces its prefix, and a known one is given back", async (t) => {
  const { insert, hit, cache, open } = setUp()
  insert(1, [1, 2])
  insert(2, [1, 2, 3])
  insert(3, [1, 2, 3])
  insert(4, [1])
  t.same([...open], [2])
  t.equal(cache.entries, 1)
  t.equal(hit([1, 2, 3, 4]), 3)
})

t.test("the least recently used entry leaves first, and paths that split join again", async (t) => {
  const { insert, hit, cache, open } = setUp()
  insert(1, [1, 2, 3, 4])
  insert(2, [1, 2, 5, 6])
  insert(3, [1, 2, 5, 7])
  t.equal(hit([1, 2, 3]), 3)
  t.ok(cache.evict())
  t.notOk(open.has(2))
  t.equal(hit([1, 2, 5, 6]), 3, "a neighbour still holds what they shared")
  t.ok(cache.evict())
  t.ok(cache.evict())
  t.notOk(cache.evict())
  t.equal(hit([1]), 0)
  insert(4, [1, 2])
  t.equal(hit([1, 2]), 2)
})

t.test("random insertions and evictions agree with a list of sequences", async (t) => {
  const { insert, hit, cache } = setUp()
  const kept: number[][] = []
  let state = 7
  const below = (n: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    return (state >>> 16) % n
  }
  const common = (a: readonly number[], b: readonly number[]): number => {
    let length = 0
    while (length < a.length && length < b.length && a[length] === b[length]) length++
    return length
  }
  for (let i = 0; i < 900; i++) {
    const ids = Array.from({ length: 1 + below(12) }, () => below(3))
    insert(1000 + i, ids)
    kept.push(ids)
    const probe = Array.from({ length: 1 + below(14) }, () => below(3))
    t.equal(hit(probe), Math.max(...kept.map((other) => common(other, probe))))
  }
  cache.clear()
  t.equal(cache.entries, 0)
})

t.test("a sequence that grew and was given up leaves nothing behind to be found", async (t) => {
  const { insert, hit, cache, open } = setUp()
  insert(1, [1, 2, 3])
  insert(2, [1, 2, 3, 4, 5])
  insert(3, [9])
  t.equal(cache.evict(), true)
  t.equal(hit([1, 2, 3, 7]), 0)
  insert(4, [1, 2, 3, 6])
  t.equal(hit([1, 2, 3, 7]), 3)
  t.equal(open.has(2), false)
})
