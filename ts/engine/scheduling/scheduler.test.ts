import t from "tap"
import { FinishCode, RecordKind } from "../rings/index.ts"
import { expected, prompt, request, setUp, VOCABULARY } from "./scheduler-fixture.ts"

t.test("a request gives the tokens it gives alone, whatever the chunk, with and without look-ahead", async (t) => {
  for (const prefillChunk of [1, 3, 16, 512]) {
    for (const lookAhead of [true, false]) {
      const { scheduler, finishAll, hear } = setUp({ prefillChunk, interleavedChunk: prefillChunk, lookAhead })
      scheduler.submit(request(0, prompt(37, 1), 20))
      finishAll()
      t.same(hear(0).tokens, expected(prompt(37, 1), 20))
      t.equal(hear(0).finish, FinishCode.length)
      t.same(hear(0).kinds.slice(-2), [RecordKind.finish, RecordKind.statistics])
    }
  }
})

t.test("requests join a running batch and leave it, and decode together in one step", async (t) => {
  const { scheduler, runner, loop, finishAll, hear } = setUp()
  scheduler.submit(request(0, prompt(5, 1), 30))
  for (let i = 0; i < 6; i++) loop.step()
  scheduler.submit(request(1, prompt(50, 2), 10))
  scheduler.submit(request(2, prompt(3, 3), 4))
  finishAll()
  for (const [slot, length, count] of [
    [0, 5, 30],
    [1, 50, 10],
    [2, 3, 4],
  ] as const) {
    t.same(hear(slot).tokens, expected(prompt(length, slot + 1), count))
  }
  t.ok(runner.submitted.some((plan) => plan.logprobs.length === 3))
})

t.test("a decoding sequence has a row in every step while a long prompt is prefilled", async (t) => {
  const { scheduler, runner, loop, finishAll } = setUp({ interleavedChunk: 8 })
  scheduler.submit(request(0, prompt(4, 1), 60))
  loop.step()
  loop.step()
  const from = runner.submitted.length
  scheduler.submit(request(1, prompt(200, 2), 2))
  finishAll()
  const during = runner.submitted.slice(from, from + 24)
  t.ok(during.every((plan) => plan.segments.some((segment) => segment.sequence === 0)))
  t.ok(during.every((plan) => plan.segments.reduce((rows, segment) => rows + segment.entries.length, 0) <= 9))
})

t.test("a short prompt does not wait for a long one", async (t) => {
  const { scheduler, loop, hear } = setUp({ prefillChunk: 16 })
  scheduler.submit(request(0, prompt(400, 1), 2))
  loop.step()
  scheduler.submit(request(1, prompt(6, 2), 2))
  for (let i = 0; i < 4; i++) loop.step()
  t.equal(hear(1).tokens.length, 2)
  t.equal(hear(0).tokens.length, 0)
})

t.test("an end-of-turn token ends the answer, and the row that was too many leaves no trace", async (t) => {
  const ids = prompt(9, 4)
  const eosIds = [expected(ids, 6)[5] ?? 0]
  const { scheduler, finishAll, hear, cache, runner } = setUp()
  scheduler.submit(request(0, ids, 50, { eosIds }))
  scheduler.submit(request(1, ids, 8, { eosIds, sampling: { ...request(0, [], 0).sampling, ignoreEos: true } }))
  finishAll()
  t.same(hear(0).tokens, expected(ids, 50, eosIds))
  t.equal(hear(0).finish, FinishCode.stop)
  t.equal(hear(1).tokens.length, 8)
  cache.clear()
  t.equal(runner.blocksUsed, 0)
})

t.test("a replayed request prefills what it has generated and goes on from there", async (t) => {
  const { scheduler, finishAll, hear } = setUp()
  const whole = expected(prompt(10, 5), 20)
  scheduler.submit(request(0, [...prompt(10, 5), ...whole.slice(0, 7)], 20, { resumed: 7 }))
  scheduler.submit(request(1, [...prompt(10, 5), ...whole], 20, { resumed: 20 }))
  finishAll()
  t.same(hear(0).tokens, whole.slice(7))
  t.same(hear(1).tokens, [])
  t.equal(hear(1).finish, FinishCode.length)
})

t.test("a cancelled request ends at once, waiting or running, and its slot can be used again", async (t) => {
  const { scheduler, loop, finishAll, hear, cache, runner } = setUp({ maxRunning: 1 })
  scheduler.submit(request(0, prompt(30, 1), 100))
  scheduler.submit(request(1, prompt(30, 2), 100))
  for (let i = 0; i < 5; i++) loop.step()
  scheduler.cancel(0, 99)
  t.equal(hear(0).finish, 0, "another generation is not touched")
  scheduler.cancel(0, 1)
  scheduler.cancel(1, 1)
  t.equal(hear(0).finish, FinishCode.cancelled)
  t.equal(hear(1).finish, FinishCode.cancelled)
  scheduler.submit(request(0, prompt(8, 3), 5, { generation: 2 }))
  const before = hear(0).tokens.length
  finishAll()
  t.same(hear(0).tokens.slice(before), expected(prompt(8, 3), 5))
  cache.clear()
  t.equal(runner.blocksUsed, 0)
})

t.test("clients take turns, and each one's own requests keep their order", async (t) => {
  const { scheduler, finishAll, runner } = setUp({ maxRunning: 1 })
  for (let i = 0; i < 4; i++) scheduler.submit(request(i, prompt(3, i), 1, { client: 1 }))
  scheduler.submit(request(4, prompt(3, 4), 1, { client: 2 }))
  scheduler.submit(request(5, prompt(3, 5), 1, { client: 3 }))
  finishAll()
  const order = runner.submitted.flatMap((plan) => plan.segments.map((segment) => segment.sequence))
  t.same(order, [0, 4, 5, 1, 2, 3])
})

t.test("an answer that had begun elsewhere does not wait behind those that have not", async (t) => {
  const { scheduler, finishAll, runner } = setUp({ maxRunning: 1 })
  for (let i = 0; i < 3; i++) scheduler.submit(request(i, prompt(3, i), 1))
  for (let i = 3; i < 5; i++) scheduler.submit(request(i, prompt(4, i), 2, { resumed: 1 }))
  finishAll()
  t.same(
    runner.submitted.flatMap((plan) => plan.segments.map((segment) => segment.sequence)),
    [3, 4, 0, 1, 2],
  )
})

t.test("when KV memory ends, the newest sequence waits and is computed again", async (t) => {
  const { scheduler, finishAll, hear, runner, cache } = setUp({ blocks: 20 })
  for (let i = 0; i < 3; i++) scheduler.submit(request(i, prompt(12, i), 40))
  finishAll()
  for (let i = 0; i < 3; i++) t.same(hear(i).tokens, expected(prompt(12, i), 40))
  cache.clear()
  t.equal(runner.blocksUsed, 0)
})

t.test("a request that can never fit fails alone", async (t) => {
  const { scheduler, finishAll, hear } = setUp({ blocks: 10 })
  scheduler.submit(request(0, prompt(60, 1), 4))
  scheduler.submit(request(1, prompt(8, 2), 60))
  scheduler.submit(request(2, prompt(8, 3), 4))
  finishAll()
  t.equal(hear(0).error, 1)
  t.equal(hear(1).error, 1)
  t.same(hear(2).tokens, expected(prompt(8, 3), 4))
})

t.test("bad requests fail alone and name no one else", async (t) => {
  const { scheduler, finishAll, hear } = setUp()
  scheduler.submit(request(0, [], 4))
  scheduler.submit(request(1, [VOCABULARY], 4))
  scheduler.submit(request(2, prompt(500, 1), 4))
  scheduler.submit(request(3, [1], 4, { sampling: { ...request(0, [], 0).sampling, topP: Number.NaN } }))
  scheduler.submit(request(4, [1], 4))
  finishAll()
  for (const slot of [0, 1, 2, 3]) t.equal(hear(slot).error, 2)
  t.same(hear(4).tokens, expected([1], 4))
})

t.test("a step that throws fails its requests, and the loop goes on", async (t) => {
  const { scheduler, runner, finishAll, hear, errors, cache } = setUp()
  scheduler.submit(request(0, prompt(5, 1), 20))
  runner.beforeSubmit = (plan) => {
    if (plan.step === 4) throw new Error("the device is unwell")
  }
  finishAll()
  t.equal(hear(0).error, 0)
  t.equal(errors.length, 1)
  scheduler.submit(request(1, prompt(5, 1), 6))
  finishAll()
  t.same(hear(1).tokens, expected(prompt(5, 1), 6))
  cache.clear()
  t.equal(runner.blocksUsed, 0)
})

t.test("a prompt that begins like an earlier one takes its KV, and says the same", async (t) => {
  const { scheduler, finishAll, hear } = setUp()
  const first = prompt(40, 1)
  scheduler.submit(request(0, first, 10))
  finishAll()
  const turn = [...first, ...expected(first, 10), 1, 2, 3]
  scheduler.submit(request(1, turn, 10))
  scheduler.submit(request(2, first, 10))
  scheduler.submit(request(3, first, 10, { salt: "other" }))
  finishAll()
  t.same(hear(1).tokens, expected(turn, 10))
  t.equal(hear(1).cached, 49, "all but the last generated token, whose KV was never computed")
  t.same(hear(2).tokens, expected(first, 10))
  t.equal(hear(2).cached, 39, "one token is always run")
  t.equal(hear(3).cached, 0, "KV of another salt is not seen")
})

t.test("the context's end is an end", async (t) => {
  const { scheduler, finishAll, hear } = setUp({ contextLength: 20 })
  scheduler.submit(request(0, prompt(15, 1), 100))
  finishAll()
  t.same(hear(0).tokens, expected(prompt(15, 1), 5))
  t.equal(hear(0).finish, FinishCode.length)
})

t.test("choices of one prompt compute it once, and each gives what it gives alone", async (t) => {
  const ids = prompt(61, 5)
  const rowsFor = (choices: number): number => {
    const { scheduler, runner, finishAll, hear, cache } = setUp()
    for (let slot = 0; slot < choices; slot++) scheduler.submit(request(slot, ids, 5 + slot))
    // A prompt of another salt is not shared.
    scheduler.submit(request(choices, prompt(20, 6), 5, { salt: "other" }))
    finishAll()
    for (let slot = 0; slot < choices; slot++) t.same(hear(slot).tokens, expected(ids, 5 + slot))
    t.same(hear(choices).tokens, expected(prompt(20, 6), 5))
    if (choices > 1) t.equal(hear(1).cached, 60)
    cache.clear()
    t.equal(runner.blocksUsed, 0)
    const prefill = runner.submitted.flatMap((plan) => plan.segments).filter((segment) => segment.entries.length > 1)
    return prefill.reduce((rows, segment) => rows + segment.entries.length, 0)
  }
  t.equal(rowsFor(6), rowsFor(1))
})

t.test("a choice whose twin is cancelled in the prompt goes on by itself", async (t) => {
  const ids = prompt(200, 5)
  const { scheduler, loop, finishAll, hear } = setUp()
  for (const slot of [0, 1, 2]) scheduler.submit(request(slot, ids, 7))
  for (let i = 0; i < 3; i++) loop.step()
  scheduler.cancel(0, 1)
  scheduler.cancel(2, 1)
  finishAll()
  t.same(hear(1).tokens, expected(ids, 7))
  t.equal(hear(2).finish, FinishCode.cancelled)
})
