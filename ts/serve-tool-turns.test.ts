// A whole tool turn of a real server process with the tiny model, in the orders of roles that agents send.

import t from "tap"
import { startServer } from "./testing/server-process.ts"
import { WEATHER, WEATHER_QUESTION, WEATHER_TOOL } from "./testing/weather-tool.ts"

const server = startServer({ model: "tiny", stateFolder: t.testdir(), http: { port: 0 } })
t.teardown(async () => {
  server.child.kill("SIGTERM")
  await server.ended
})
const url = await server.ready

interface Delta {
  readonly content?: string | null
  readonly tool_calls?: readonly {
    readonly index: number
    readonly id?: string
    readonly function: { readonly name?: string; readonly arguments: string }
  }[]
}
interface TokenChance {
  readonly token: string
  readonly logprob: number
}
interface Choice {
  readonly message: Delta
  readonly delta: Delta
  readonly finish_reason: string | null
  readonly logprobs: { readonly content: readonly (TokenChance & { readonly top_logprobs: TokenChance[] })[] } | null
}
interface Call {
  readonly id: string
  readonly name: string
  readonly arguments: string
}
interface Reply {
  readonly content: string
  readonly calls: readonly Call[]
  readonly finish: string | null
}

async function post(body: object): Promise<string> {
  const request = { temperature: 0, tools: [WEATHER_TOOL], ...body }
  const response = await fetch(`${url}/v1/chat/completions`, { method: "POST", body: JSON.stringify(request) })
  return response.text()
}

/** The answer, put together from its chunks when it is streamed. */
async function ask(messages: readonly object[], stream: boolean): Promise<Reply> {
  const text = await post({ messages, stream })
  const parts: Choice[] = stream
    ? [...text.matchAll(/^data: (\{.*)$/gm)].flatMap(([, json = "{}"]) => JSON.parse(json).choices)
    : JSON.parse(text).choices
  const deltas = parts.map((part) => part.delta ?? part.message)
  const calls: Call[] = []
  for (const [at, call] of deltas.flatMap((delta) => (delta.tool_calls ?? []).map((one, i) => [i, one] as const))) {
    const index = call.index ?? at
    const before = calls[index]
    calls[index] = {
      id: call.id ?? before?.id ?? "",
      name: call.function.name ?? before?.name ?? "",
      arguments: (before?.arguments ?? "") + call.function.arguments,
    }
  }
  const content = deltas.map((delta) => delta.content ?? "").join("")
  return { content, calls, finish: parts.at(-1)?.finish_reason ?? null }
}

const question = { role: "user", content: WEATHER_QUESTION }
const cityOf = (call: Call): string => JSON.parse(call.arguments).city
const weatherOf = (call: Call): string => WEATHER[cityOf(call)] ?? ""
const called = (calls: readonly Call[], content: string | null = null) => ({
  role: "assistant",
  content,
  tool_calls: calls.map(({ id, name, arguments: text }) => ({
    id,
    type: "function",
    function: { name, arguments: text },
  })),
})
const result = (call: Call, content: unknown = weatherOf(call)) => ({ role: "tool", tool_call_id: call.id, content })

const ORDERS: Readonly<Record<string, (calls: readonly Call[]) => readonly object[]>> = {
  "in the order of the calls": (calls) => [question, called(calls), ...calls.map((call) => result(call))],
  "the last one first": (calls) => [question, called(calls, ""), ...calls.map((call) => result(call)).toReversed()],
  "as text parts": (calls) => [
    question,
    called(calls),
    ...calls.map((call) => result(call, [{ type: "text", text: weatherOf(call) }])),
  ],
}

for (const stream of [false, true]) {
  t.test(`two cities, two calls, two results in any order, one answer${stream ? ", streamed" : ""}`, async (t) => {
    const first = await ask([question], stream)
    t.equal(first.finish, "tool_calls")
    t.same(first.calls.map(cityOf), ["Oslo", "Madrid"])
    t.ok(first.calls.every(({ name }) => name === "get_weather"))
    t.notMatch(first.content, "<tool_call>")
    for (const [order, messages] of Object.entries(ORDERS)) {
      const last = await ask(messages(first.calls), stream)
      t.match(last.content, "The weather in Oslo is snowy with -3 degrees.", order)
      t.match(last.content, "The weather in Madrid is clear with 30 degrees.", order)
      t.equal(last.finish, "stop", order)
    }
  })
}

t.test("one call and its result, also by the deprecated function_call", async (t) => {
  const oslo = { role: "user", content: "What is the weather in Oslo?" }
  const { calls } = await ask([oslo], false)
  t.same(calls.map(cityOf), ["Oslo"])
  const [call] = calls
  if (call === undefined) return
  const legacy = [
    { role: "assistant", content: null, function_call: { name: call.name, arguments: call.arguments } },
    { role: "function", name: call.name, content: weatherOf(call) },
  ]
  for (const turn of [[called([call]), result(call)], legacy]) {
    const last = await ask([oslo, ...turn], false)
    t.match(last, { content: /The weather in Oslo is snowy with -3 degrees\./, finish: "stop" })
  }
})

t.test("system and developer messages may stand anywhere", async (t) => {
  const { calls } = await ask([question], false)
  const reminder = { role: "developer", content: "Be short." }
  const results = calls.map((call) => result(call))
  for (const messages of [
    [reminder, question, called(calls), ...results],
    [question, called(calls), ...results, reminder],
    [question, called(calls), results[0] ?? {}, reminder, results[1] ?? {}],
  ]) {
    const { finish } = await ask(messages, false)
    t.match(finish, /^(stop|tool_calls)$/)
  }
})

t.test("an answer goes on inside the last message, and a named token ends it", async (t) => {
  const begun = [
    { role: "user", content: "What is the capital of France?" },
    { role: "assistant", content: "The capital of" },
  ]
  const body = { messages: begun, tools: [], continue_final_message: true, add_generation_prompt: false }
  const whole: { choices: Choice[] } = JSON.parse(await post(body))
  t.equal(whole.choices[0]?.message.content, " France is Paris.")
  const text = await fetch(`${url}/tokenize`, { method: "POST", body: JSON.stringify({ prompt: " Paris" }) })
  const { tokens }: { tokens: number[] } = JSON.parse(await text.text())
  const cut: { choices: Choice[] } = JSON.parse(await post({ ...body, stop_token_ids: tokens.slice(0, 1) }))
  t.match(cut.choices[0], { message: { content: " France is" }, finish_reason: "stop" })
  const wrong: { error: object } = JSON.parse(await post({ ...body, messages: [question] }))
  t.match(wrong.error, { param: "continue_final_message" })
})

t.test("a token's log-probability is that of its entry among the alternatives, streamed or not", async (t) => {
  const body = { messages: [{ role: "user", content: "Tell me a story." }], temperature: 1, seed: 3, max_tokens: 30 }
  const asked = { ...body, tools: [], logprobs: true, top_logprobs: 20, reasoning_effort: "none" }
  const whole: { choices: Choice[] } = JSON.parse(await post(asked))
  const tokens = whole.choices[0]?.logprobs?.content ?? []
  t.equal(tokens.map(({ token }) => token).join(""), whole.choices[0]?.message.content)
  let found = 0
  for (const { token, logprob, top_logprobs } of tokens) {
    t.equal(top_logprobs.length, 20)
    const own = top_logprobs.filter((other) => other.token === token)
    if (own.length === 1) t.equal(own[0]?.logprob, logprob)
    found += own.length
  }
  t.ok(found > tokens.length / 2)
  const streamed = [...(await post({ ...asked, stream: true })).matchAll(/^data: (\{.*)$/gm)]
  const parts: Choice[] = streamed.flatMap(([, json = "{}"]) => JSON.parse(json).choices)
  t.same(
    parts.flatMap((part) => part.logprobs?.content ?? []),
    tokens,
  )
})
