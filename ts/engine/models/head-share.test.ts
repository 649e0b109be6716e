// Heads of each rank, for even and uneven counts.

import t from "tap"
import { headShare } from "./head-share.ts"

function shares(queryHeads: number, kvHeads: number, size: number) {
  return Array.from({ length: size }, (_, rank) => headShare(queryHeads, kvHeads, { rank, size }))
}

t.test("every query head counts on exactly one rank, beside its KV head", async (t) => {
  for (const [queryHeads, kvHeads] of [
    [8, 4],
    [9, 3],
    [16, 2],
    [4, 4],
    [2, 2],
    [14, 2],
    [1, 1],
  ] as const) {
    for (const size of [1, 2, 3, 4]) {
      const owned: number[] = []
      for (const { query, kv, counts } of shares(queryHeads, kvHeads, size)) {
        const heads = query[1] - query[0]
        t.ok(heads > 0 && heads % (kv[1] - kv[0]) === 0, "whole multiples of the KV heads")
        for (let head = query[0]; head < query[1]; head++) {
          if (counts) owned.push(head)
          const keeper = Math.floor((head * kvHeads) / queryHeads)
          t.ok(keeper >= kv[0] && keeper < kv[1], "the rank keeps the KV head of its query heads")
        }
      }
      t.same(
        owned,
        Array.from({ length: queryHeads }, (_, head) => head),
        `${queryHeads}/${kvHeads} over ${size}`,
      )
    }
  }
})

t.test("with more ranks than groups a group is split, and its KV head repeated", async (t) => {
  t.same(
    shares(9, 3, 4).map(({ query, kv }) => [query, kv]),
    [
      [
        [0, 2],
        [0, 1],
      ],
      [
        [2, 3],
        [0, 1],
      ],
      [
        [3, 6],
        [1, 2],
      ],
      [
        [6, 9],
        [2, 3],
      ],
    ],
  )
})

t.test("a rank without a head of its own repeats one that does not count; rank 0 has one", async (t) => {
  t.same(
    shares(2, 1, 4).map(({ counts }) => counts),
    [true, false, true, false],
  )
})
