// A served model with a draft model: the answers of one without, over one rank and over two, and what is told of it.

import { cp, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import t, { type Test } from "tap"
import type { ServeOptions } from "./main.ts"
import { metric } from "./testing/metrics.ts"
import { startServer, type ServerProcess } from "./testing/server-process.ts"
import { until } from "./testing/until.ts"

const DRAFT = fileURLToPath(new URL("../../fixtures/tiny-qwen3-draft", import.meta.url))
const ANSWER_MS = 60_000

interface Answer {
  readonly text: string
  readonly accepted: number
}

/** A story at temperature 1: the draft must guess the same draw, not only the likeliest token. */
async function ask(address: string, seed: number, more: object = {}): Promise<Answer> {
  const response = await fetch(`${address}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      model: "tiny-qwen3",
      messages: [{ role: "user", content: "Tell me a story." }],
      chat_template_kwargs: { enable_thinking: false },
      temperature: 1,
      seed,
      max_tokens: 80,
      ...more,
    }),
    signal: AbortSignal.timeout(ANSWER_MS),
  })
  const body = JSON.parse(await response.text())
  return {
    text: body.choices.map((choice: { message: { content: string } }) => choice.message.content).join(" | "),
    accepted: Number(body.usage.completion_tokens_details.accepted_prediction_tokens),
  }
}

async function listed(address: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  return JSON.parse(await (await fetch(`${address}/requests`)).text()).requests
}

const askAll = (address: string): Promise<readonly Answer[]> =>
  Promise.all([
    ask(address, 1),
    ask(address, 2),
    ask(address, 3, { stop: [" the"], n: 2 }),
    ask(address, 4, { presence_penalty: 1, min_tokens: 30, logit_bias: { 300: 2 } }),
  ])

function start(t: Test, options: Partial<ServeOptions>): ServerProcess {
  const server = startServer({ model: "tiny", stateFolder: t.testdir(), http: { port: 0 }, ...options })
  t.teardown(() => server.child.kill("SIGKILL"))
  return server
}

t.test("answers with a draft are those without, over one rank and over two, and are counted", async (t) => {
  const expected = await askAll(await start(t, {}).ready)
  t.ok(expected.every(({ accepted }) => accepted === 0))
  for (const localRanks of [1, 2]) {
    const server = start(t, { draftModel: DRAFT, localRanks })
    const address = await server.ready
    const answers = await askAll(address)
    t.same(
      answers.map(({ text }) => text),
      expected.map(({ text }) => text),
      `${localRanks} ranks`,
    )
    t.ok(
      answers.reduce((sum, { accepted }) => sum + accepted, 0) > 10,
      `accepted: ${answers.map(({ accepted }) => accepted).join(", ")}`,
    )
    await until(async () => (await metric(address, "speculation_accepted_tokens_total")) > 0)
    const requests = await listed(address)
    const running = askAll(address)
    // A request that comes after a loss is told to try again.
    await until(async () => (await listed(address)).length >= requests.length + 4)
    process.kill(Math.max(...server.ranks()), "SIGKILL")
    t.same(
      (await running).map(({ text }) => text),
      expected.map(({ text }) => text),
      "and so are answers that go on after a rank was lost",
    )
    t.ok(requests.some((one) => one["accepted_tokens"] === answers[0]?.accepted))
  }
})

t.test("a draft of another tokenizer is refused in one line", async (t) => {
  const folder = t.testdir({})
  const other = join(folder, "other")
  await cp(DRAFT, other, { recursive: true })
  const file = join(other, "tokenizer.json")
  const tokenizer = JSON.parse(await readFile(file, "utf8"))
  const { vocab } = tokenizer.model
  const [one, two] = Object.keys(vocab).slice(300)
  const id = vocab[one ?? ""]
  vocab[one ?? ""] = vocab[two ?? ""]
  vocab[two ?? ""] = id
  await writeFile(file, JSON.stringify(tokenizer))
  const { code, stderr } = await startServer({
    model: "tiny",
    draftModel: other,
    stateFolder: join(folder, "state"),
    http: { port: 0 },
  }).ended
  t.equal(code, 2)
  t.match(stderr, /^mlx-cluster: .*cannot draft for .*token \d+ is another text there.*\n$/u)
})

t.test("a draft that is not there, or not given, is refused in one line", async (t) => {
  for (const [options, expected] of [
    [{ draftModel: "/nowhere/draft" }, /no model at \/nowhere\/draft/u],
    [{ engine: { speculate: "draft" } }, /give --draft-model/u],
  ] as const) {
    const { code, stderr } = await start(t, options).ended
    t.equal(code, 2)
    t.match(stderr, expected)
  }
})
