// Answers held to a schema, sampled at temperature 1: with a thought of bounded length before them, with a draft, with
// n-grams and over two ranks they are those of one rank that does not speculate.

import { fileURLToPath } from "node:url"
import t, { type Test } from "tap"
import type { ServeOptions } from "./main.ts"
import { startServer } from "./testing/server-process.ts"

const DRAFT = fileURLToPath(new URL("../../fixtures/tiny-qwen3-draft", import.meta.url))
const ANSWER_MS = 60_000
const SEEDS = [1, 2, 3, 4, 5, 6] as const
const BUDGET = 4
const WORDS = ["a clear morning in the mountains", "a clear evening in the mountains", "a clear morning by the sea"]

const schema = {
  type: "object",
  properties: {
    title: { type: "string", maxLength: 24 },
    kind: { enum: ["story", "report"] },
    numbers: { type: "array", items: { type: "integer", minimum: 0, maximum: 99 }, minItems: 2, maxItems: 6 },
    // Long texts with few choices are what n-grams guess.
    days: { type: "array", items: { enum: WORDS }, minItems: 3, maxItems: 3 },
  },
  required: ["title", "kind", "numbers", "days"],
  additionalProperties: false,
}

interface Answer {
  readonly content: string
  readonly thought: string
  readonly finish: string
  readonly reasoningTokens: number
  readonly accepted: number
}

async function ask(address: string, seed: number, more: object): Promise<Answer> {
  const response = await fetch(`${address}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      messages: [{ role: "user", content: "Tell me a story." }],
      response_format: { type: "json_schema", json_schema: { name: "answer", schema, strict: true } },
      temperature: 1,
      seed,
      max_tokens: 400,
      ...more,
    }),
    signal: AbortSignal.timeout(ANSWER_MS),
  })
  const body = JSON.parse(await response.text())
  const [choice] = body.choices
  const details = body.usage.completion_tokens_details
  return {
    content: choice.message.content,
    thought: choice.message.reasoning_content ?? "",
    finish: choice.finish_reason,
    reasoningTokens: details.reasoning_tokens,
    accepted: details.accepted_prediction_tokens,
  }
}

/** Without a thought, with one of any length, with one that is cut. */
const WAYS: readonly object[] = [{ reasoning_effort: "none" }, {}, { thinking_budget: BUDGET }]

/** In company of each other: masks, drafts and rows of one batch. */
const askAll = (address: string): Promise<readonly Answer[]> =>
  Promise.all(SEEDS.flatMap((seed) => WAYS.map((way) => ask(address, seed, way))))

async function served<T>(t: Test, options: Partial<ServeOptions>, work: (address: string) => Promise<T>): Promise<T> {
  const server = startServer({ model: "tiny", stateFolder: t.testdir(), http: { port: 0 }, ...options })
  t.teardown(() => server.child.kill("SIGKILL"))
  const result = await work(await server.ready)
  server.child.kill("SIGTERM")
  await server.ended
  return result
}

const texts = (answers: readonly Answer[]): readonly unknown[] =>
  answers.map(({ content, thought, finish, reasoningTokens }) => ({ content, thought, finish, reasoningTokens }))

t.test("constrained answers at temperature 1", async (t) => {
  const expected = await served(t, { engine: { speculate: "off" } }, askAll)

  await t.test("a thought ends at its budget and the answer after it is of the schema", async (t) => {
    const cut = expected.filter((_, index) => index % WAYS.length === 2)
    const free = expected.filter((_, index) => index % WAYS.length === 1)
    for (const [index, { content, finish, reasoningTokens, thought }] of cut.entries()) {
      t.equal(finish, "stop")
      t.match(JSON.parse(content), { title: String, kind: /^(story|report)$/, numbers: Array, days: Array })
      t.ok(reasoningTokens <= BUDGET + 1, `${reasoningTokens} tokens of thought`)
      t.ok(free[index]?.thought.startsWith(thought), thought)
    }
    t.ok(
      free.some(({ reasoningTokens }) => reasoningTokens > BUDGET + 1),
      "some thoughts were cut",
    )
    for (const { content, finish } of expected) if (finish === "stop") t.match(JSON.parse(content), { days: Array })
    t.equal(new Set(expected.map(({ content }) => content)).size, expected.length, "seeds and ways differ")
  })

  for (const [name, options, speculates] of [
    ["a draft", { draftModel: DRAFT }, true],
    ["n-grams", { engine: { speculate: "ngram" } }, true],
    ["two ranks", { localRanks: 2, engine: { speculate: "off" } }, false],
    ["two ranks and a draft", { localRanks: 2, draftModel: DRAFT }, true],
  ] as const)
    await t.test(`${name}: the same answers`, async (t) => {
      const answers = await served(t, options, askAll)
      t.same(texts(answers), texts(expected))
      const accepted = answers.reduce((sum, one) => sum + one.accepted, 0)
      t.equal(accepted > 0, speculates, `${accepted} proposed tokens were taken`)
    })
})
