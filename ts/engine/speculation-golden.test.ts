// Golden conversations with speculation, and what it tells of itself.

import t from "tap"
import { fixture, goldenCases, missingNative, startRank } from "./rank-host-fixture.ts"

const { eosIds, cases } = goldenCases("tiny-qwen3")
const skip = missingNative()
const timeout = 110_000

t.test("with tokens proposed, each prompt gives the reference's tokens", { skip, timeout }, async (t) => {
  for (const speculate of ["ngram", "draft"] as const) {
    const rank = await startRank(fixture("tiny-qwen3"), { speculate, draftModel: fixture("tiny-qwen3-draft") })
    t.teardown(() => rank.close())
    for (const { id, output_ids, prompt_ids } of cases.slice(0, 20)) {
      const answer = await rank.generate({
        promptIds: Int32Array.from(prompt_ids),
        maxTokens: output_ids.length,
        eosIds,
      })
      t.same(answer.tokens, output_ids, `${speculate} ${id}`)
    }
  }
})

t.test("the statistics count what the records tell", { skip, timeout }, async (t) => {
  const options = { speculate: "draft", draftModel: fixture("tiny-qwen3-draft") } as const
  const rank = await startRank(fixture("tiny-qwen3"), options)
  t.teardown(() => rank.close())
  const [one] = cases.filter(({ output_ids }) => output_ids.length > 100)
  const quiet = new Promise((resolve) =>
    rank.host.link.onNotice((notice) => {
      if (notice.type !== "statistics" || notice.statistics.running > 0) return
      const { speculation } = notice.statistics
      if (speculation !== null && speculation.steps > 0) resolve(speculation)
    }),
  )
  const answer = await rank.generate({ promptIds: Int32Array.from(one?.prompt_ids ?? []), maxTokens: 100, eosIds })
  t.ok(answer.accepted > 10, `${answer.accepted} of ${answer.drafted} were right`)
  t.match(await quiet, { kind: "draft", proposedTokens: answer.drafted, acceptedTokens: answer.accepted, active: 0 })
})

t.test("a draft model that is not there fails the load with a reason", { skip, timeout }, async (t) => {
  const rank = await startRank(fixture("tiny-qwen3"), { speculate: "draft", draftModel: "/nowhere" })
  t.teardown(() => rank.close())
  t.match(rank.loaded, { type: "load_failed", message: /nowhere/ })
})

t.test(
  "a predicted answer comes in few steps, and a wrong prediction changes nothing",
  { skip, timeout },
  async (t) => {
    const rank = await startRank(fixture("tiny-qwen3"), {})
    t.teardown(() => rank.close())
    const [one] = cases.filter(({ output_ids }) => output_ids.length > 100)
    const { prompt_ids = [], output_ids = [] } = one ?? {}
    const ask = { promptIds: Int32Array.from(prompt_ids), maxTokens: output_ids.length, eosIds, client: 1 }
    const plain = await rank.generate(ask)
    t.same([plain.tokens, plain.drafted], [output_ids, 0])
    // Some of it is left out, and some is changed.
    const predictionIds = Int32Array.from([...output_ids.slice(0, 40), 5, 6, ...output_ids.slice(50)])
    const predicted = await rank.generate({ ...ask, predictionIds })
    t.same(predicted.tokens, output_ids)
    t.ok(predicted.accepted > 10, `${predicted.accepted} of ${predicted.drafted} were right`)
    const wrong = await rank.generate({ ...ask, predictionIds: Int32Array.from(prompt_ids.toReversed()) })
    t.same(wrong.tokens, output_ids)
    const foreign = await rank.generate({ ...ask, predictionIds: Int32Array.of(-1, 1e9, 4) })
    t.same(foreign.tokens, output_ids, "ids that are no tokens are left out")
  },
)
