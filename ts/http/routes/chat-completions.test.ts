import t from "tap"
import { EngineError, type GenerationEvent } from "../../engine/index.ts"
import { ChatCompletion, ChatCompletionChunk } from "../schemas/chat-completion.ts"
import { createScriptedEngine, doneEvent, textEvent } from "../testing/scripted-engine.ts"
import { CHAT, SERVERS, sseData, startServer } from "../testing/start-server.ts"
import { createValidator } from "../validation.ts"

const asCompletion = createValidator(ChatCompletion)
const asChunk = createValidator(ChatCompletionChunk)

const toolScript: readonly GenerationEvent[] = [
  { type: "reasoning", choice: 0, text: "I need it.", tokens: 3 },
  { type: "tool_call", choice: 0, index: 0, id: "call_1", name: "weather", argumentsDelta: "" },
  { type: "tool_call", choice: 0, index: 0, argumentsDelta: '{"city":' },
  { type: "tool_call", choice: 0, index: 0, argumentsDelta: '"Oslo"}' },
  { type: "tool_call", choice: 0, index: 1, id: "call_2", name: "weather", argumentsDelta: "{}" },
  { type: "finished", choice: 0, reason: "tool_calls" },
  doneEvent(9),
]
const callTools = () =>
  createScriptedEngine(async function* () {
    yield toolScript
  })
const failWith = (error: EngineError, before: readonly GenerationEvent[] = []) =>
  createScriptedEngine(async function* () {
    if (before.length > 0) yield before
    yield [{ type: "error", error }]
  })

for (const name of SERVERS) {
  t.test(`${name}: an answer has OpenAI's shape, with its nullable keys present`, async (t) => {
    const { post } = await startServer(t, name)
    const response = await post("/v1/chat/completions", CHAT, { headers: { "x-request-id": "mine-1" } })
    t.equal(response.status, 200)
    t.equal(response.headers.get("x-request-id"), "mine-1")
    const answer = asCompletion(await response.json())
    t.match(answer.choices, [
      {
        index: 0,
        message: { role: "assistant", content: "Paris is the capital of France.", refusal: null },
        logprobs: null,
        finish_reason: "stop",
      },
    ])
    t.match(answer.usage, { prompt_tokens: 5, completion_tokens: 7, total_tokens: 12 })
    t.match(answer.id, /^chatcmpl-/)
  })

  t.test(`${name}: a stream says the role with the first text, one id, finish last, then [DONE]`, async (t) => {
    const { post } = await startServer(t, name)
    const response = await post("/v1/chat/completions", { ...CHAT, stream: true })
    t.match(response.headers.get("content-type"), /^text\/event-stream/)
    const data = sseData(await response.text())
    t.equal(data.pop(), "[DONE]")
    const chunks = data.map((json) => asChunk(JSON.parse(json)))
    t.same(chunks[0]?.choices[0]?.delta, { role: "assistant", content: "Paris" })
    t.equal(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join(""), "Paris is the capital of France.")
    t.same(chunks.map((chunk) => chunk.choices[0]?.finish_reason).filter(Boolean), ["stop"])
    t.same(chunks.at(-1)?.choices[0], { index: 0, delta: {}, logprobs: null, finish_reason: "stop" })
    t.equal(new Set(chunks.map((chunk) => chunk.id)).size, 1)
    t.ok(
      chunks.every((chunk) => !("usage" in chunk)),
      "usage only when asked",
    )
  })

  t.test(`${name}: usage comes in a chunk of its own when asked, null in the others`, async (t) => {
    const { post } = await startServer(t, name)
    const body = { ...CHAT, stream: true, n: 2, stream_options: { include_usage: true } }
    const data = sseData(await (await post("/v1/chat/completions", body)).text()).slice(0, -1)
    const chunks = data.map((json) => asChunk(JSON.parse(json)))
    const last = chunks.pop()
    t.same(last?.choices, [])
    t.match(last?.usage, { prompt_tokens: 5, completion_tokens: 14 })
    t.ok(chunks.every((chunk) => chunk.usage === null && chunk.choices.length === 1))
    for (const index of [0, 1])
      t.equal(
        chunks
          .filter((chunk) => chunk.choices[0]?.index === index)
          .map((chunk) => chunk.choices[0]?.delta.content ?? "")
          .join(""),
        "Paris is the capital of France.",
      )
  })

  t.test(`${name}: tool calls and reasoning have their wire shapes, whole and streamed`, async (t) => {
    const { post } = await startServer(t, name, {}, callTools())
    const tools = [{ type: "function", function: { name: "weather", parameters: { type: "object" } } }]
    const whole = asCompletion(await (await post("/v1/chat/completions", { ...CHAT, tools })).json())
    t.match(whole.choices[0], {
      message: {
        content: null,
        reasoning_content: "I need it.",
        tool_calls: [
          { id: "call_1", type: "function", function: { name: "weather", arguments: '{"city":"Oslo"}' } },
          { id: "call_2", type: "function", function: { name: "weather", arguments: "{}" } },
        ],
      },
      finish_reason: "tool_calls",
    })
    const data = sseData(await (await post("/v1/chat/completions", { ...CHAT, tools, stream: true })).text()).slice(
      0,
      -1,
    )
    t.same(
      data.map((json) => asChunk(JSON.parse(json)).choices[0]?.delta),
      [
        { role: "assistant", reasoning_content: "I need it." },
        { tool_calls: [{ index: 0, id: "call_1", type: "function", function: { name: "weather", arguments: "" } }] },
        { tool_calls: [{ index: 0, function: { arguments: '{"city":' } }] },
        { tool_calls: [{ index: 0, function: { arguments: '"Oslo"}' } }] },
        { tool_calls: [{ index: 1, id: "call_2", type: "function", function: { name: "weather", arguments: "{}" } }] },
        {},
      ],
    )
    const one = await post("/v1/chat/completions", { ...CHAT, tools, parallel_tool_calls: false })
    t.equal(asCompletion(await one.json()).choices[0]?.message.tool_calls?.length, 1)
  })

  t.test(`${name}: log-probabilities follow the text, whole and streamed`, async (t) => {
    const { post } = await startServer(t, name)
    const body = { ...CHAT, logprobs: true, top_logprobs: 2 }
    const whole = asCompletion(await (await post("/v1/chat/completions", body)).json())
    const content = whole.choices[0]?.logprobs?.content ?? []
    t.equal(content.map((token) => token.token).join(""), whole.choices[0]?.message.content)
    t.equal(content[0]?.top_logprobs.length, 2)
    const data = sseData(await (await post("/v1/chat/completions", { ...body, stream: true })).text())
    t.equal(asChunk(JSON.parse(data[0] ?? "")).choices[0]?.logprobs?.content.length, 1)
  })

  t.test(`${name}: what goes wrong before the first byte is an HTTP error, later an error event`, async (t) => {
    const early = await startServer(t, name, {}, failWith(new EngineError("context_length_exceeded", "70 > 64")))
    for (const stream of [false, true]) {
      const response = await early.post("/v1/chat/completions", { ...CHAT, stream })
      t.equal(response.status, 400)
      t.match(await response.json(), {
        error: { message: "70 > 64", type: "invalid_request_error", param: null, code: "context_length_exceeded" },
      })
    }
    const late = await startServer(t, name, {}, failWith(new EngineError("engine_lost"), [textEvent(0, "Pa")]))
    const whole = await late.post("/v1/chat/completions", CHAT)
    t.equal(whole.status, 503)
    t.equal(whole.headers.get("retry-after"), "5")
    const data = sseData(await (await late.post("/v1/chat/completions", { ...CHAT, stream: true })).text())
    t.equal(data.length, 2, "no [DONE] after an error")
    t.match(JSON.parse(data[1] ?? ""), { error: { type: "server_error", code: "engine_lost" } })
    t.match(await (await fetch(`${late.url}/errors`)).json(), {
      errors: [{ code: "engine_lost" }, { code: "engine_lost" }],
    })
  })

  t.test(`${name}: the request reaches the engine in its own terms`, async (t) => {
    const { post, engine } = await startServer(t, name)
    await post("/v1/chat/completions", {
      messages: [
        { role: "developer", content: "Be brief." },
        {
          role: "user",
          content: [
            { type: "text", text: "a" },
            { type: "text", text: "b" },
          ],
        },
        { role: "assistant", content: null, tool_calls: [{ id: "c", function: { name: "f", arguments: "{}" } }] },
        { role: "tool", tool_call_id: "c", content: "42" },
      ],
      max_tokens: 3,
      max_completion_tokens: 7,
      stop: "x",
      seed: -1,
      top_k: -1,
      temperature: 0,
      reasoning_effort: "none",
      prediction: {
        type: "content",
        content: [
          { type: "text", text: "4" },
          { type: "text", text: "2" },
        ],
      },
      tools: [{ type: "function", function: { name: "f" } }],
    })
    t.match(engine.submitted[0], {
      model: "org/scripted-1b",
      prompt: {
        kind: "chat",
        messages: [
          { role: "system", content: "Be brief." },
          { role: "user", content: "ab" },
          { role: "assistant", content: "", toolCalls: [{ id: "c", name: "f", arguments: "{}" }] },
          { role: "tool", content: "42", toolCallId: "c" },
        ],
        tools: [{ name: "f" }],
        templateOptions: { reasoning_effort: "none", enable_thinking: false },
      },
      sampling: { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 2n ** 64n - 1n, ignoreEos: false },
      maxTokens: 7,
      stop: ["x"],
      choices: 1,
      prediction: "42",
    })
  })
}

t.test(
  "what is not honoured is refused by name, neutral values and bookkeeping pass, the unknown is named",
  async (t) => {
    const { post } = await startServer(t, "uws")
    const refused: readonly [string, unknown, string?][] = [
      ["bad_words", ["no"]],
      ["best_of", 2],
      ["chat_template_kwargs", { messages: [] }, "chat_template_kwargs.messages"],
      ["modalities", ["text", "audio"]],
    ]
    for (const [field, value, param = field] of refused) {
      const response = await post("/v1/chat/completions", { ...CHAT, [field]: value })
      t.equal(response.status, 400, field)
      t.match(await response.json(), { error: { param, code: "unsupported_parameter" } })
    }
    const neutral = { bad_words: [], best_of: 1, response_format: { type: "text" }, tool_choice: "auto" }
    const bookkeeping = { user: "u", metadata: { a: "b" }, store: true, service_tier: "auto" }
    const response = await post("/v1/chat/completions", {
      ...CHAT,
      ...neutral,
      ...bookkeeping,
      temprature: 1,
      "x\ny": 1,
    })
    t.equal(response.status, 200)
    t.equal(response.headers.get("x-ignored-fields"), "temprature, x?y")
  },
)

t.test("model names: exact, alias, any when allowed, else 404 before any work", async (t) => {
  const strict = await startServer(t, "uws", { aliases: { "gpt-4o-mini": "org/scripted-1b" } })
  t.equal((await strict.post("/v1/chat/completions", { ...CHAT, model: "gpt-4o-mini" })).status, 200)
  const unknown = await strict.post("/v1/chat/completions", { ...CHAT, model: "__proto__" })
  t.equal(unknown.status, 404)
  t.match(await unknown.json(), { error: { param: "model", code: "model_not_found" } })
  const any = await startServer(t, "uws", { acceptAnyModel: true })
  t.equal((await any.post("/v1/chat/completions", { ...CHAT, model: "claude" })).status, 200)
})
