import t from "tap"
import type { LogitAdjustments } from "../generation.ts"
import { AdjustEntryWord, AdjustWord } from "../models/index.ts"
import { adjustmentWords, createAdjuster } from "./adjuster.ts"

const none: LogitAdjustments = {
  repetitionPenalty: 1,
  repetitionContext: 20,
  presencePenalty: 0,
  frequencyPenalty: 0,
  minTokens: 0,
  logitBias: [],
}
const history = (...ids: number[]): Int32Array => Int32Array.from(ids)

/** A row as its entries by token: [bias, count, repeated]. */
function entriesOf(words: Int32Array | undefined): Record<number, readonly [number, number, number]> {
  const floats = new Float32Array(words?.buffer ?? new ArrayBuffer(0))
  const found: Record<number, readonly [number, number, number]> = {}
  for (let at: number = AdjustWord.WORDS; at < (words?.length ?? 0); at += AdjustEntryWord.WORDS) {
    const [id = -1, , count = -1, repeated = -1] = words?.subarray(at, at + AdjustEntryWord.WORDS) ?? []
    found[id] = [floats[at + AdjustEntryWord.BIAS] ?? Number.NaN, count, repeated]
  }
  return found
}

t.test("what changes nothing has no adjuster", async (t) => {
  t.equal(createAdjuster(undefined, [2], 100), null)
  t.equal(createAdjuster(none, [2], 100), null)
  t.equal(createAdjuster({ ...none, logitBias: [[5, 0]] }, [2], 100), null)
  t.equal(createAdjuster({ ...none, minTokens: 5 }, [], 100), null, "no token could end it")
  t.equal(adjustmentWords([null, null]).length, 0)
})

t.test("presence and frequency count the answer, repetition the last tokens of all", async (t) => {
  const adjuster = createAdjuster(
    { ...none, repetitionPenalty: 1.5, repetitionContext: 3, frequencyPenalty: 0.5 },
    [],
    100,
  )
  for (const id of [7, 8, 7]) adjuster?.generated(id)
  const words = adjuster?.words(history(1, 2, 7, 8, 7), -1, 3)
  t.same(entriesOf(words), { 7: [0, 2, 1], 8: [0, 1, 1] })
  t.equal(new Float32Array(words?.buffer ?? new ArrayBuffer(0))[AdjustWord.REPETITION], 1.5)
  const pending = adjuster?.words(history(1, 2, 7, 8, 7), 4, 4)
  t.equal(pending?.[AdjustWord.PENDING], 4)
  t.same(entriesOf(pending), { 7: [0, 2, 1], 8: [0, 1, 1] }, "the pending token takes one place of the window")
  t.same(entriesOf(adjuster?.words(history(1, 2), -1, 0)), { 1: [0, 0, 1], 2: [0, 0, 1], 7: [0, 2, 0], 8: [0, 1, 0] })
})

t.test("end-of-turn tokens are forbidden until there are enough, whatever their bias", async (t) => {
  const adjuster = createAdjuster({ ...none, minTokens: 2, logitBias: [[2, 5]] }, [2, 3], 100)
  t.same(entriesOf(adjuster?.words(history(1), 0, 1)), { 2: [-Infinity, 0, 0], 3: [-Infinity, 0, 0] })
  t.same(entriesOf(adjuster?.words(history(1), 0, 2)), { 2: [5, 0, 0] })
})

t.test("a token outside the vocabulary is refused by name", async (t) => {
  t.throws(() => createAdjuster({ ...none, logitBias: [[100, 1]] }, [], 100), {
    code: "invalid_request",
    param: "logit_bias",
  })
})

t.test("rows that ask nothing stand between those that do", async (t) => {
  const row = createAdjuster({ ...none, logitBias: [[5, 1]] }, [], 100)?.words(history(1), -1, 0) ?? null
  const words = adjustmentWords([null, row])
  t.same([...words.subarray(0, AdjustWord.WORDS)], [0x3f800000, 0, 0, -1, 0])
  t.same([...words.subarray(AdjustWord.WORDS)], [...(row ?? [])])
})
