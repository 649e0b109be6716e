// Speculation changes no answer: every request gives, bit for bit, the tokens and log-probabilities that it gives without,
// whoever proposes, in any company, from the prefix cache, in any chunks, preempted and replayed.

import { basename, join } from "node:path"
import t, { type Test } from "tap"
import type { DistributionShaping, LogitAdjustments, SamplingParameters } from "./generation.ts"
import type { SubmitCommand } from "./link.ts"
import { RANDOM_VOCABULARY, writeRandomCheckpoint } from "./models/random-checkpoint-fixture.ts"
import { fixture, goldenCases, missingNative, startRank, type TestRank } from "./rank-host-fixture.ts"
import type { TokenHalfOptions } from "./token-half-options.ts"

const skip = missingNative()
const timeout = 110_000
const { eosIds, cases } = goldenCases("tiny-qwen3")

type Ask = Partial<SubmitCommand> & Pick<SubmitCommand, "promptIds">

const greedy: SamplingParameters = { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 1n, ignoreEos: false }
const warm: SamplingParameters = { ...greedy, temperature: 1, topP: 0.95, minP: 0.01, seed: 0xfeed_beefn }
const adjustments: LogitAdjustments = {
  repetitionPenalty: 1.2,
  repetitionContext: 12,
  presencePenalty: 0.4,
  frequencyPenalty: 0.3,
  minTokens: 12,
  logitBias: [
    [17, 2],
    [101, -3],
  ],
}

const shaping: DistributionShaping = { typicalP: 0.9, xtcProbability: 0.5, xtcThreshold: 0.1, exemptIds: [] }

/** Each sampled in each way; `ends` are end-of-turn tokens. */
function asks(prompts: readonly (readonly number[])[], ends: readonly number[], maxTokens: number): readonly Ask[] {
  return prompts.flatMap((ids, i): Ask[] => {
    const promptIds = Int32Array.from(ids)
    const base = { promptIds, maxTokens, eosIds: ends, salt: String(i) }
    return [
      { ...base, sampling: greedy },
      { ...base, sampling: warm, logprobs: 2 },
      // Two choices of one request.
      { ...base, sampling: { ...warm, seed: 5n }, logprobs: 0 },
      { ...base, sampling: { ...greedy, adjustments }, logprobs: 1 },
      { ...base, sampling: { ...warm, adjustments, ignoreEos: true } },
      { ...base, sampling: { ...warm, topP: 1, shaping } },
    ]
  })
}

interface Subject {
  readonly model: string
  /** The first agrees with the model nearly always. */
  readonly drafts: readonly string[]
  readonly asks: readonly Ask[]
  /** Holds some of the requests at once, not all. */
  readonly smallKvBytes: number
  readonly options?: Partial<TokenHalfOptions>
}

interface Told {
  readonly tokens: readonly number[]
  readonly logprobs: readonly number[]
  readonly alternatives: readonly { readonly id: number; readonly logprob: number }[]
}

/** Log-probabilities of requests that did not ask are there or not, as their company asked. */
function told({ tokens, logprobs, alternatives }: Told, ask: Ask | undefined): Told {
  return { tokens, logprobs: (ask?.logprobs ?? -1) < 0 ? [] : logprobs, alternatives }
}

async function withRank<Result>(
  path: string,
  options: Partial<TokenHalfOptions>,
  use: (rank: TestRank) => Promise<Result>,
): Promise<Result> {
  const rank = await startRank(path, { numeric: "int8x2", kvBytes: 2 ** 26, ...options })
  try {
    return await use(rank)
  } finally {
    await rank.close()
  }
}

/** What it has proposed and what of it was right, of all requests. */
interface Proposed {
  drafted: number
  accepted: number
}

async function compare(
  t: Test,
  { model, asks: some, smallKvBytes }: Subject,
  speculation: Partial<TokenHalfOptions>,
  plain: readonly Told[],
): Promise<Proposed> {
  const sum: Proposed = { drafted: 0, accepted: 0 }
  const check = async (rank: TestRank, index: number, what: string): Promise<void> => {
    const answer = await rank.generate(some[index] ?? { promptIds: new Int32Array(0) })
    sum.drafted += answer.drafted
    sum.accepted += answer.accepted
    t.same(told(answer, some[index]), plain[index], `${what}, request ${index}`)
  }
  const all = (rank: TestRank, what: string): Promise<unknown> =>
    Promise.all(some.map((_, index) => check(rank, index, what)))

  await withRank(model, speculation, async (rank) => {
    for (const index of some.keys()) if (index % 3 === 0) await check(rank, index, "alone")
    await all(rank, "together, from the cache")
    for (const [index, ask] of some.entries()) {
      const tokens = plain[index]?.tokens ?? []
      const resumed = Math.floor(tokens.length / 2)
      if (index % 4 > 0 || resumed === 0 || resumed === tokens.length) continue
      const promptIds = Int32Array.from([...ask.promptIds, ...tokens.slice(0, resumed)])
      const rest = await rank.generate({ ...ask, promptIds, resumed })
      t.same(rest.tokens, tokens.slice(resumed), `replayed, request ${index}`)
    }
  })
  await withRank(model, { ...speculation, prefillChunk: 7, interleavedChunk: 5 }, (rank) => all(rank, "in chunks"))
  await withRank(model, { ...speculation, kvBytes: smallKvBytes, maxRunning: 16 }, (rank) =>
    all(rank, "short of memory"),
  )
  return sum
}

async function compareAll(t: Test, subject: Subject): Promise<void> {
  const { model, drafts, asks: some } = subject
  const [rightDraft] = drafts
  const plain = await withRank(model, subject.options ?? {}, async (rank) => {
    const answers = await Promise.all(some.map((ask) => rank.generate(ask)))
    return answers.map((answer, index) => told(answer, some[index]))
  })
  const ways: readonly Partial<TokenHalfOptions>[] = [
    { ...subject.options, speculate: "ngram" },
    ...drafts.map((draftModel) => ({ ...subject.options, speculate: "draft" as const, draftModel })),
  ]
  for (const way of ways) {
    await t.test(`${way.speculate} ${basename(way.draftModel ?? "")}`, async (t) => {
      const { drafted, accepted } = await compare(t, subject, way, plain)
      t.ok(drafted > 0, `${accepted} of ${drafted} proposed tokens were right`)
      if (way.draftModel === rightDraft) t.ok(accepted > 0.8 * drafted, "a draft that agrees is seldom wrong")
    })
  }
}

const golden = ["story", "count", "tool-parallel", "list"].flatMap((id) =>
  cases.filter((one) => one.id.startsWith(id)).slice(0, 1),
)
const prompts = golden.map(({ prompt_ids }) => prompt_ids)
const drafts = [fixture("tiny-qwen3-draft")]

t.test("tiny-qwen3", { skip, timeout }, (t) =>
  compareAll(t, {
    model: fixture("tiny-qwen3"),
    drafts,
    asks: asks(prompts, eosIds, 48),
    smallKvBytes: 14 * 2 ** 20,
  }),
)

t.test("tiny-qwen3-moe", { skip, timeout }, (t) =>
  compareAll(t, {
    model: fixture("tiny-qwen3-moe"),
    drafts,
    asks: asks(prompts.slice(0, 2), eosIds, 40),
    smallKvBytes: 6 * 2 ** 20,
  }),
)

function randomSubject(t: Test): Subject {
  const folder = t.testdir({ model: {}, other: {} })
  const [model, other] = [join(folder, "model"), join(folder, "other")]
  writeRandomCheckpoint(model, 11)
  writeRandomCheckpoint(other, 12)
  const ids = (seed: number, length: number): number[] =>
    Array.from({ length }, (_, i) => (seed * 7919 + i * (31 + seed) + ((i * i) % 13)) % RANDOM_VOCABULARY)
  const repeated = [...ids(2, 20), ...ids(2, 20), ...ids(2, 11)]
  return {
    model,
    drafts: [model, other],
    asks: asks([ids(1, 9), repeated, ids(3, 70)], [3], 40),
    smallKvBytes: 2 ** 20,
  }
}

t.test("random weights, and a draft of the same or of others", { skip, timeout }, (t) =>
  compareAll(t, randomSubject(t)),
)

t.test("random weights with the plain kernels", { skip, timeout }, (t) =>
  compareAll(t, { ...randomSubject(t), options: { isa: "scalar" } }),
)
