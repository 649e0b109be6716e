import t from "tap"
import { Completion } from "../schemas/completion.ts"
import { createDeferred } from "../testing/deferred.ts"
import { SERVERS, sseData, startServer } from "../testing/start-server.ts"
import { createValidator } from "../validation.ts"

const asCompletion = createValidator(Completion)

for (const name of SERVERS) {
  t.test(`${name}: prompts times n become choices in order, with usage of all`, async (t) => {
    const { post, engine } = await startServer(t, name)
    const response = await post("/v1/completions", { prompt: ["a", "b"], n: 2, max_tokens: 2, logprobs: 1 })
    const answer = asCompletion(await response.json())
    t.same(
      answer.choices.map((choice) => [choice.index, choice.text, choice.finish_reason]),
      [0, 1, 2, 3].map((index) => [index, "Paris is", "length"]),
    )
    t.same(answer.choices[3]?.logprobs?.text_offset, [0, 5])
    t.match(answer.usage, { prompt_tokens: 10, completion_tokens: 8 })
    t.same(
      engine.submitted.map((request) => request.prompt),
      [
        { kind: "text", text: "a" },
        { kind: "text", text: "b" },
      ],
    )
  })

  t.test(`${name}: a stream of completions keeps the first space and ends with [DONE]`, async (t) => {
    const { post } = await startServer(t, name)
    const body = { prompt: [1, 2, 3], stream: true, stop: ["capital"], stream_options: { include_usage: true } }
    const data = sseData(await (await post("/v1/completions", body)).text())
    t.equal(data.pop(), "[DONE]")
    const chunks = data.map((json) => asCompletion(JSON.parse(json)))
    t.match(chunks.pop(), { choices: [], usage: { completion_tokens: 3 } })
    t.equal(chunks.map((chunk) => chunk.choices[0]?.text).join(""), "Paris is the")
    t.equal(chunks.at(-1)?.choices[0]?.finish_reason, "stop")
  })
}

t.test("tokens outside the vocabulary, too many prompts and echo of tokens are refused by name", async (t) => {
  const { post, engine } = await startServer(t, "uws")
  const cases: readonly [object, string][] = [
    [{ prompt: [1, 300] }, "prompt.1"],
    [{ prompt: [[1], [2, 999]] }, "prompt.1.1"],
    [{ prompt: Array.from({ length: 8 }, () => "a"), n: 16 }, "n"],
    [{ prompt: [1, 2], echo: true }, "echo"],
    [{ prompt: "a", echo: true, logprobs: 1 }, "echo"],
    [{ prompt: "a", best_of: 2 }, "best_of"],
    [{ prompt: [1], suffix: "b" }, "suffix"],
    [{ prompt: "a", best_of: 3 }, "best_of"],
    [{ prompt: "a", tools: [] }, "tools"],
    [{ prompt: 5 }, "prompt"],
    [{}, "prompt"],
  ]
  for (const [body, param] of cases) {
    const response = await post("/v1/completions", body)
    t.equal(response.status, 400, JSON.stringify(body).slice(0, 60))
    t.match(await response.json(), { error: { param } })
  }
  t.same(engine.submitted, [])
})

t.test("when one prompt of several fails the others are cancelled and the client gets one error", async (t) => {
  const { post, engine } = await startServer(t, "uws")
  const held = createDeferred()
  t.teardown(() => held.resolve())
  engine.script = async function* (request) {
    if (request.prompt.kind === "text" && request.prompt.text === "bad") throw new Error("no")
    await held.promise
    yield []
  }
  const cancelled = engine.nextCancel()
  const response = await post("/v1/completions", { prompt: ["good", "bad"] })
  t.equal(response.status, 500)
  t.match(await cancelled, /-0$/)
})

for (const stream of [false, true])
  t.test(`echo begins each answer with its own prompt${stream ? ", streamed" : ""}`, async (t) => {
    const { post } = await startServer(t, "node")
    const response = await post("/v1/completions", { prompt: ["Q1 ", "Q2 "], n: 2, best_of: 2, echo: true, stream })
    const text = await response.text()
    const texts = new Map<number, string>()
    const parts: { choices: { index: number; text: string }[] }[] = stream
      ? sseData(text)
          .slice(0, -1)
          .map((json) => JSON.parse(json))
      : [JSON.parse(text)]
    for (const { index, text: piece } of parts.flatMap(({ choices }) => choices))
      texts.set(index, (texts.get(index) ?? "") + piece)
    const said = "Paris is the capital of France."
    t.same(
      [...texts].sort(([a], [b]) => a - b),
      [
        [0, `Q1 ${said}`],
        [1, `Q1 ${said}`],
        [2, `Q2 ${said}`],
        [3, `Q2 ${said}`],
      ],
    )
  })
