// Logit bias, penalties and the least length in a real engine: the same tokens alone, in company, without looking ahead
// of the tokens, with little memory and after a replay.

import t from "tap"
import type { LogitAdjustments } from "./generation.ts"
import { fixture, goldenCases, missingNative, startRank, type TestRank } from "./rank-host-fixture.ts"
import type { TokenHalfOptions } from "./token-half-options.ts"

const { eosIds, cases } = goldenCases("tiny-qwen3")
const skip = missingNative()
const timeout = 110_000
const greedy = { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 3n, ignoreEos: true }
const none: LogitAdjustments = {
  repetitionPenalty: 1,
  repetitionContext: 20,
  presencePenalty: 0,
  frequencyPenalty: 0,
  minTokens: 0,
  logitBias: [],
}
const penalties = { ...none, repetitionPenalty: 1.3, presencePenalty: 0.5, frequencyPenalty: 0.25 }
const promptOf = (i: number): Int32Array => Int32Array.from(cases[i]?.prompt_ids ?? [])

async function withRank<T>(options: Partial<TokenHalfOptions>, use: (rank: TestRank) => Promise<T>): Promise<T> {
  const rank = await startRank(fixture("tiny-qwen3"), options)
  try {
    return await use(rank)
  } finally {
    await rank.close()
  }
}

t.test(
  "penalties give the same tokens alone, in company, short of memory and replayed",
  { skip, timeout },
  async (t) => {
    for (const temperature of [0, 0.9]) {
      const sampling = { ...greedy, temperature, adjustments: penalties }
      const ask = (rank: TestRank, prompt: number) =>
        rank.generate({ promptIds: promptOf(prompt), sampling, maxTokens: 60, salt: "penalties" })
      const alone = await withRank({}, async (rank) => {
        const answers: number[][] = []
        for (const prompt of [0, 1, 2]) answers.push((await ask(rank, prompt)).tokens)
        const plain = await rank.generate({ promptIds: promptOf(0), sampling: greedy, maxTokens: 60 })
        t.notSame(answers[0], plain.tokens, "they change something")

        const resumed = 25
        const promptIds = Int32Array.from([...promptOf(0), ...(answers[0] ?? []).slice(0, resumed)])
        const rest = await rank.generate({ promptIds, sampling, maxTokens: 60, resumed })
        t.same(rest.tokens, answers[0]?.slice(resumed), "a replay goes on with the same tokens")
        return answers
      })
      for (const options of [{}, { prefillChunk: 5, interleavedChunk: 5 }, { kvBytes: 2 ** 21 }]) {
        await withRank(options, async (rank) => {
          const company = cases
            .slice(3, 7)
            .map(({ prompt_ids, output_ids }) =>
              rank.generate({ promptIds: Int32Array.from(prompt_ids), eosIds, maxTokens: output_ids.length }),
            )
          const answers = await Promise.all([0, 1, 2].map((prompt) => ask(rank, prompt)))
          t.same(
            answers.map(({ tokens }) => tokens),
            alone,
            `in company, ${JSON.stringify(options)}`,
          )
          for (const [i, other] of (await Promise.all(company)).entries())
            t.same(other.tokens, cases[i + 3]?.output_ids, "and the company is not changed")
        })
      }
    }
  },
)

t.test("a bias forbids or forces a token, and an answer is as long as it must be", { skip, timeout }, async (t) => {
  await withRank({}, async (rank) => {
    const ask = (adjustments: LogitAdjustments, more: object = {}) =>
      rank.generate({
        promptIds: promptOf(0),
        sampling: { ...greedy, adjustments, ignoreEos: false },
        maxTokens: 40,
        logprobs: 2,
        ...more,
      })
    const plain = await ask(none)
    const [first = 0] = plain.tokens
    const without = await ask({ ...none, logitBias: [[first, -100]] })
    t.notOk(without.tokens.includes(first))
    const forced = await ask({ ...none, logitBias: [[7, 100]] }, { maxTokens: 5 })
    t.same(forced.tokens, [7, 7, 7, 7, 7])
    t.ok((forced.logprobs[0] ?? -9) > -1e-3, "the log-probability is that of the changed logits")
    t.equal(forced.alternatives[0]?.id, 7)
    // The first token would end the answer.
    t.equal((await ask(none, { eosIds: [first] })).tokens.length, 1)
    const longer = await ask({ ...none, minTokens: 6 }, { eosIds: [first] })
    t.ok(longer.tokens.length >= 6)
    t.equal(longer.tokens.slice(0, 6).includes(first), false)
  })
})

t.test("a high presence penalty gives every token once", { skip, timeout }, async (t) => {
  await withRank({}, async (rank) => {
    const sampling = { ...greedy, adjustments: { ...none, presencePenalty: 1000 } }
    const { tokens } = await rank.generate({ promptIds: promptOf(0), sampling, maxTokens: 50 })
    t.equal(new Set(tokens).size, 50)
  })
})
