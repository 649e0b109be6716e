import t, { type Test } from "tap"
import { FinishCode } from "./rings/index.ts"
import { fixture, goldenCases, missingNative, startRank, type TestRank } from "./rank-host-fixture.ts"
import type { TokenHalfOptions } from "./token-half-options.ts"

const { eosIds, cases } = goldenCases("tiny-qwen3")
const skip = missingNative()
/** Generous: without own kernels the whole set takes over a minute. */
const timeout = 110_000

async function withRank(options: Partial<TokenHalfOptions>, use: (rank: TestRank) => Promise<void>): Promise<void> {
  const rank = await startRank(fixture("tiny-qwen3"), options)
  try {
    await use(rank)
  } finally {
    await rank.close()
  }
}

/** Submits all cases at once and compares each with the reference. */
async function compare(t: Test, rank: TestRank, some: typeof cases, client?: number): Promise<void> {
  const answers = some.map(({ prompt_ids, output_ids }) => {
    const command = { promptIds: Int32Array.from(prompt_ids), maxTokens: output_ids.length, eosIds }
    return rank.generate(client === undefined ? command : { ...command, client })
  })
  for (const [i, answer] of (await Promise.all(answers)).entries()) {
    t.same(answer.tokens, some[i]?.output_ids, some[i]?.id ?? "")
  }
}

t.test("each prompt alone gives the reference's tokens", { skip, timeout }, async (t) => {
  await withRank({}, async (rank) => {
    for (const one of cases) await compare(t, rank, [one])
  })
})

t.test("all prompts together give the same tokens, in any chunks", { skip, timeout }, async (t) => {
  for (const prefillChunk of [7, 64, 512]) {
    await withRank({ prefillChunk, interleavedChunk: prefillChunk }, (rank) => compare(t, rank, cases))
  }
})

t.test("with memory for a few only, preempted requests give the same tokens", { skip, timeout }, async (t) => {
  await withRank({ kvBytes: 12 * 2 ** 20, maxRunning: 16 }, (rank) => compare(t, rank, cases.slice(0, 24)))
})

t.test("with the prefix cached, the same prompts give the same tokens", { skip, timeout }, async (t) => {
  await withRank({}, async (rank) => {
    await compare(t, rank, cases.slice(0, 8), 1)
    await compare(t, rank, cases.slice(0, 8), 1)
    const [one] = cases
    const promptIds = Int32Array.from(one?.prompt_ids ?? [])
    const again = await rank.generate({ promptIds, client: 1, maxTokens: 2 })
    t.equal(again.cached, promptIds.length - 1)
  })
})

t.test("seeded sampling gives the same tokens alone and in company", { skip, timeout }, async (t) => {
  await withRank({}, async (rank) => {
    const sampling = { temperature: 1, topP: 0.95, topK: 0, minP: 0, seed: 42n, ignoreEos: true }
    const [one] = cases
    const promptIds = Int32Array.from(one?.prompt_ids ?? [])
    const ask = () => rank.generate({ promptIds, sampling, maxTokens: 40 })
    const alone = await ask()
    const [inCompany] = await Promise.all([
      ask(),
      ...cases.slice(1, 6).map((other) => rank.generate({ promptIds: Int32Array.from(other.prompt_ids), sampling })),
    ])
    t.equal(alone.tokens.length, 40)
    t.same(inCompany?.tokens, alone.tokens)
    const other = await rank.generate({ promptIds, sampling: { ...sampling, seed: 43n }, maxTokens: 40 })
    t.notSame(other.tokens, alone.tokens)
  })
})

t.test(
  "log-probabilities are those of the tokens, and the best alternative is the greedy token",
  { skip, timeout },
  async (t) => {
    await withRank({}, async (rank) => {
      const [one] = cases
      const answer = await rank.generate({
        promptIds: Int32Array.from(one?.prompt_ids ?? []),
        logprobs: 3,
        maxTokens: 5,
      })
      t.equal(answer.alternatives.length, 3)
      t.equal(answer.alternatives[0]?.id, answer.tokens.at(-1))
      t.ok(Math.abs((answer.alternatives[0]?.logprob ?? 9) - (answer.logprobs.at(-1) ?? 0)) < 1e-4)
      t.ok(answer.logprobs.every((logprob) => logprob <= 0))
    })
  },
)

t.test(
  "a cancelled request ends while others go on, and a bad model path is refused with a reason",
  { skip, timeout },
  async (t) => {
    await withRank({}, async (rank) => {
      const [one, two] = cases
      const long = { promptIds: Int32Array.from(one?.prompt_ids ?? []), maxTokens: 2000 }
      const sampling = { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 0n, ignoreEos: true }
      let heard = 0
      const cancelled = rank.generate({ ...long, sampling }, (slot, generation) => {
        if (++heard === 5) rank.host.link.send({ kind: "cancel", slot, generation })
      })
      const other = rank.generate({ promptIds: Int32Array.from(two?.prompt_ids ?? []), eosIds, maxTokens: 400 })
      t.equal((await cancelled).finish, FinishCode.cancelled)
      t.ok((await cancelled).tokens.length < 200)
      t.same((await other).tokens, two?.output_ids)
      const refused = new Promise((resolve) =>
        rank.host.link.onNotice((notice) => notice.type === "load_failed" && resolve(notice)),
      )
      rank.host.link.send({ kind: "load", model: 1, path: "/nowhere", options: "" })
      t.match(await refused, { type: "load_failed", model: 1, message: /nowhere/ })
    })
  },
)
