import t from "tap"
import { fixture, goldenCases, missingNative, startRank } from "./rank-host-fixture.ts"

const { eosIds, cases } = goldenCases("tiny-qwen3")
const skip = missingNative()
const timeout = 110_000

t.test("with n-grams proposed, each prompt gives the reference's tokens", { skip, timeout }, async (t) => {
  const rank = await startRank(fixture("tiny-qwen3"), { speculate: "ngram" })
  t.teardown(() => rank.close())
  for (const { id, output_ids, prompt_ids } of cases.slice(0, 30)) {
    const answer = await rank.generate({ promptIds: Int32Array.from(prompt_ids), maxTokens: output_ids.length, eosIds })
    t.same(answer.tokens, output_ids, id)
  }
})
