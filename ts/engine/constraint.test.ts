// Answers that a grammar constrains, through the token half with real weights: alone, in company, replayed, preempted and
// with speculation.

import { Tokenizer } from "mlx-jaccl-rs"
import t from "tap"
import type { SubmitCommand } from "./link.ts"
import { fixture, goldenCases, missingNative, startRank, type TestRank } from "./rank-host-fixture.ts"
import { FinishCode } from "./rings/index.ts"

const TINY = fixture("tiny-qwen3")
const { eosIds, cases } = goldenCases("tiny-qwen3")
const PROMPT = Int32Array.from(cases[0]?.prompt_ids ?? [])

const SCHEMA = {
  type: "object",
  properties: {
    name: { type: "string", maxLength: 12 },
    size: { enum: ["small", "large"] },
    counts: { type: "array", items: { type: "integer", minimum: 0, maximum: 99 }, maxItems: 3 },
  },
  required: ["name", "size", "counts"],
  additionalProperties: false,
  "x-guidance": { whitespace_flexible: false },
}
const rule = (more: object = {}) =>
  JSON.stringify({ grammars: [{ name: "answer", schema: SCHEMA }], isWhole: true, ...more })
const hot = (seed: bigint) => ({ temperature: 1.5, topP: 1, topK: 0, minP: 0, seed, ignoreEos: false })

type Order = Partial<SubmitCommand> & Pick<SubmitCommand, "promptIds">
const asked = (seed: number, more: Partial<SubmitCommand> = {}): Order => ({
  promptIds: PROMPT,
  rule: rule(),
  eosIds,
  maxTokens: 200,
  sampling: hot(BigInt(seed)),
  ...more,
})

t.test("constrained answers", { skip: missingNative() }, async (t) => {
  const tokenizer = Tokenizer.fromFile(`${TINY}/tokenizer.json`)
  const text = (tokens: readonly number[]): string => tokenizer.decode(Int32Array.from(tokens), true)
  const start = async (options: Parameters<typeof startRank>[1] = {}): Promise<TestRank> => {
    const rank = await startRank(TINY, { device: "cpu", threads: 1, kvBytes: 2 ** 26, ...options })
    t.teardown(() => rank.close())
    return rank
  }
  const rank = await start()
  const free: Order = { promptIds: PROMPT, eosIds, maxTokens: 40, sampling: hot(7n) }
  const alone = await rank.generate(free)
  const answers = await Promise.all(Array.from({ length: 12 }, (_, seed) => rank.generate(asked(seed))))

  await t.test("every answer that ended is of the schema", async (t) => {
    for (const { tokens, finish } of answers) {
      t.equal(finish, FinishCode.stop)
      const value: unknown = JSON.parse(text(tokens))
      t.match(value, { name: String, size: /^(small|large)$/, counts: Array })
      t.same(Object.keys(value ?? {}), ["name", "size", "counts"])
    }
    t.equal(new Set(answers.map(({ tokens }) => text(tokens))).size, answers.length, "seeds differ")
  })

  await t.test("company changes neither a free answer nor a constrained one", async (t) => {
    const [again, ...others] = await Promise.all([rank.generate(free), ...[3, 4].map((n) => rank.generate(asked(n)))])
    t.same(again?.tokens, alone.tokens)
    t.same(
      others.map(({ tokens }) => tokens),
      [answers[3]?.tokens, answers[4]?.tokens],
    )
  })

  await t.test("a replay goes on in the middle of a grammar", async (t) => {
    const whole = answers[5]?.tokens ?? []
    for (const kept of [1, Math.floor(whole.length / 2), whole.length - 1]) {
      const promptIds = Int32Array.from([...PROMPT, ...whole.slice(0, kept)])
      const rest = await rank.generate(asked(5, { promptIds, resumed: kept }))
      t.same([...whole.slice(0, kept), ...rest.tokens], whole, `after ${kept}`)
    }
  })

  await t.test("tokens that run out are told, a whole answer is not cut", async (t) => {
    const whole = answers[5]?.tokens ?? []
    t.equal((await rank.generate(asked(5, { maxTokens: whole.length - 1 }))).finish, FinishCode.length)
    t.equal((await rank.generate(asked(5, { maxTokens: whole.length }))).finish, FinishCode.stop)
  })

  await t.test("free thinking, constrained answer", async (t) => {
    const thought = { open: "<think>", close: "</think>", inside: false }
    for (const seed of [1, 2, 3]) {
      const { tokens, finish } = await rank.generate(asked(seed, { rule: rule({ thought }), maxTokens: 400 }))
      if (finish === FinishCode.length) continue
      const answer = text(tokens).split("</think>").at(-1) ?? ""
      t.match(JSON.parse(answer), { name: String, size: String, counts: Array })
    }
  })

  await t.test("a grammar that does not compile fails its request alone", async (t) => {
    const bad = JSON.stringify({ grammars: [{ name: "answer", lark: "start: nothing" }], isWhole: true })
    const [failed, well] = await Promise.all([rank.generate(asked(1, { rule: bad })), rank.generate(asked(1))])
    t.ok(failed.error >= 0)
    t.same(well.tokens, answers[1]?.tokens)
  })

  await t.test("preemption, a reference executor and speculation change no answer", async (t) => {
    const orders = answers.slice(0, 6).map((_, seed) => asked(seed))
    const wanted = answers.slice(0, 6).map(({ tokens }) => tokens)
    for (const options of [{ kvBytes: 2 ** 21 }, { lookAhead: false }, { speculate: "ngram" as const }]) {
      const other = await start(options)
      const got = await Promise.all(orders.map((order) => other.generate(order)))
      t.same(
        got.map(({ tokens }) => tokens),
        wanted,
        JSON.stringify(options),
      )
      await other.close()
    }
  })
})
