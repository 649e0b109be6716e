// The official Node client against a real server process with the tiny model: what a user of the SDK sees.

import OpenAI, { BadRequestError, NotFoundError } from "openai"
import t from "tap"
import { startServer } from "./testing/server-process.ts"
import { WEATHER, WEATHER_QUESTION, WEATHER_TOOL } from "./testing/weather-tool.ts"

const model = "tiny-qwen3"
const ask = (content: string) => ({ model, temperature: 0, messages: [{ role: "user" as const, content }] })
const quiet = { reasoning_effort: "none" as const }

const server = startServer({ model: "tiny", stateFolder: t.testdir(), http: { port: 0 } })
t.teardown(async () => {
  server.child.kill("SIGTERM")
  await server.ended
})
const client = new OpenAI({ baseURL: `${await server.ready}/v1`, apiKey: "none", maxRetries: 0, timeout: 60_000 })

t.test("a chat is answered, and the same text comes as a stream with its usage", async (t) => {
  const whole = await client.chat.completions.create({ ...ask("What is the capital of France?"), ...quiet })
  t.equal(whole.choices[0]?.message.content, "The capital of France is Paris.")
  t.equal(whole.choices[0]?.finish_reason, "stop")
  t.match(whole.usage, { prompt_tokens: 19, completion_tokens: 8, total_tokens: 27 })

  const request = { ...ask("What is the capital of France?"), ...quiet, stream: true } as const
  const stream = await client.chat.completions.create({ ...request, stream_options: { include_usage: true } })
  let text = ""
  const ids = new Set<string>()
  const usages: (object | null | undefined)[] = []
  for await (const chunk of stream) {
    ids.add(chunk.id)
    text += chunk.choices[0]?.delta.content ?? ""
    usages.push(chunk.usage)
  }
  t.equal(text, "The capital of France is Paris.")
  t.equal(ids.size, 1)
  t.match(usages.at(-1), { prompt_tokens: 19, completion_tokens: 8, total_tokens: 27 })
  t.ok(usages.slice(0, -1).every((usage) => usage === null))
  for await (const chunk of await client.chat.completions.create(request)) t.notOk(chunk.usage, "usage only when asked")
})

t.test("thinking comes apart from the answer and is counted", async (t) => {
  const answer = await client.chat.completions.create(ask("What is the capital of France?"))
  t.match(answer.choices[0]?.message, {
    reasoning_content: /^The country is France\.\s*$/,
    content: /^\s*The capital of France is Paris\.$/,
  })
  t.ok((answer.usage?.completion_tokens_details?.reasoning_tokens ?? 0) > 0)
})

t.test("stop strings end the text before them, as a string and as a list, streamed or not", async (t) => {
  const request = { ...ask("Count from 3 to 12."), ...quiet }
  for (const stop of [", 7", ["never", ", 7, 8"], ["6, 7"]]) {
    const expected = stop === ", 7" || stop[0] === "never" ? "3, 4, 5, 6" : "3, 4, 5, "
    const whole = await client.chat.completions.create({ ...request, stop })
    t.equal(whole.choices[0]?.message.content, expected, JSON.stringify(stop))
    t.equal(whole.choices[0]?.finish_reason, "stop")
    const streamed = await client.chat.completions.stream({ ...request, stop }).finalChatCompletion()
    t.equal(streamed.choices[0]?.message.content, expected, `${JSON.stringify(stop)} streamed`)
  }
  const cut = await client.chat.completions.create({ ...request, max_tokens: 3 })
  t.equal(cut.choices[0]?.finish_reason, "length")
})

t.test("a seed gives the same text at temperature 1, and other seeds give others", async (t) => {
  const sample = async (seed: number) => {
    const request = { ...ask("Tell me a story."), ...quiet, temperature: 1, max_tokens: 40 }
    return (await client.chat.completions.create({ ...request, seed })).choices[0]?.message.content ?? ""
  }
  const texts = [await sample(1), await sample(2), await sample(3)]
  t.same([await sample(1), await sample(2), await sample(3)], texts)
  t.equal(new Set(texts).size, 3)
})

t.test("models are listed and found; unknown ones are not", async (t) => {
  const ids: string[] = []
  for await (const found of client.models.list()) ids.push(found.id)
  t.same(ids, [model])
  t.match(await client.models.retrieve(model), { id: model, object: "model" })
  await t.rejects(client.models.retrieve("no-such"), { status: 404, code: "model_not_found" })
})

t.test("legacy completions continue a prompt, streamed too", async (t) => {
  const request = { model, prompt: "The capital of France is", max_tokens: 4, temperature: 0 }
  const whole = await client.completions.create(request)
  let text = ""
  for await (const chunk of await client.completions.create({ ...request, stream: true })) {
    text += chunk.choices[0]?.text ?? ""
  }
  t.equal(text, whole.choices[0]?.text)
  t.ok(text.length > 0)
})

for (const streamed of [false, true]) {
  t.test(`the weather of two cities: two calls, two results, one answer${streamed ? ", streamed" : ""}`, async (t) => {
    const tools = [WEATHER_TOOL]
    const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: WEATHER_QUESTION }]
    const next = async () => {
      const request = { model, temperature: 0, messages, tools }
      const answer = streamed
        ? await client.chat.completions.stream(request).finalChatCompletion()
        : await client.chat.completions.create(request)
      return answer.choices[0]
    }
    const first = await next()
    t.equal(first?.finish_reason, "tool_calls")
    const calls = (first?.message.tool_calls ?? []).filter((call) => call.type === "function")
    t.same(
      calls.map((call) => [call.function.name, JSON.parse(call.function.arguments)]),
      [
        ["get_weather", { city: "Oslo" }],
        ["get_weather", { city: "Madrid" }],
      ],
    )
    t.equal(new Set(calls.map((call) => call.id)).size, 2)
    if (first) messages.push(first.message)
    for (const call of calls) {
      const { city }: { city: string } = JSON.parse(call.function.arguments)
      messages.push({ role: "tool", tool_call_id: call.id, content: WEATHER[city] ?? "" })
    }
    const last = await next()
    t.equal(last?.finish_reason, "stop")
    t.match(last?.message.content, "The weather in Oslo is snowy with -3 degrees.")
    t.match(last?.message.content, "The weather in Madrid is clear with 30 degrees.")
  })
}

t.test("faults are the client's own error classes and name the field", async (t) => {
  const create = (body: object) => client.chat.completions.create({ ...ask("Hello!"), ...body })
  const cases: [object, typeof NotFoundError | typeof BadRequestError, object][] = [
    [{ model: "no-such" }, NotFoundError, { status: 404, code: "model_not_found" }],
    [{ temperature: 9 }, BadRequestError, { status: 400, param: "temperature" }],
    [{ messages: [] }, BadRequestError, { status: 400, param: "messages" }],
    [{ max_tokens: "many" }, BadRequestError, { status: 400, param: "max_tokens" }],
    [
      { messages: [{ role: "user", content: "word ".repeat(9_000) }] },
      BadRequestError,
      { code: "context_length_exceeded" },
    ],
  ]
  for (const [body, type, shape] of cases) {
    const error: unknown = await create(body).catch((reason: unknown) => reason)
    t.type(error, type)
    t.match(error, { ...shape, type: "invalid_request_error", requestID: /^req_/ })
  }
})

t.test("leaving a stream frees the server for the next request", async (t) => {
  for (let round = 0; round < 5; round++) {
    const stream = await client.chat.completions.create({ ...ask("Count from 1 to 200."), ...quiet, stream: true })
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content) break
  }
  const answer = await client.chat.completions.create({ ...ask("What is 17 + 25?"), ...quiet })
  t.equal(answer.choices[0]?.message.content, "17 + 25 = 42")
})
