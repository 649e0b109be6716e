import t from "tap"
import { createScriptedEngine, doneEvent, textEvent } from "./testing/scripted-engine.ts"
import { CHAT, sseData, startServer } from "./testing/start-server.ts"

const FUNCTIONS = [{ name: "weather", description: "Weather of a city", parameters: { type: "object" } }]

const calling = () =>
  createScriptedEngine(async function* () {
    yield [textEvent(0, "Let me see.")]
    yield [
      { type: "tool_call", choice: 0, index: 0, id: "call_1", name: "weather", argumentsDelta: "" },
      { type: "tool_call", choice: 0, index: 0, argumentsDelta: '{"city":' },
      { type: "tool_call", choice: 0, index: 0, argumentsDelta: '"Oslo"}' },
      { type: "tool_call", choice: 0, index: 1, id: "call_2", name: "weather", argumentsDelta: "{}" },
      { type: "finished", choice: 0, reason: "tool_calls" },
      doneEvent(9),
    ]
  })

t.test("the deprecated functions are served as tools, and answered by one function_call", async (t) => {
  const { post, engine } = await startServer(t, "node", {}, calling())
  const whole = await post("/v1/chat/completions", { ...CHAT, functions: FUNCTIONS })
  t.match(await whole.json(), {
    choices: [
      {
        message: {
          content: "Let me see.",
          function_call: { name: "weather", arguments: '{"city":"Oslo"}' },
          tool_calls: undefined,
        },
        finish_reason: "function_call",
      },
    ],
  })
  t.match(engine.submitted[0]?.prompt, { kind: "chat", tools: [{ ...FUNCTIONS[0], parameters: {} }] })

  const streamed = await post("/v1/chat/completions", { ...CHAT, functions: FUNCTIONS, stream: true })
  const choices = sseData(await streamed.text())
    .slice(0, -1)
    .map((json) => JSON.parse(json).choices[0])
  t.same(
    choices.map(({ delta }) => delta),
    [
      { role: "assistant", content: "Let me see." },
      { function_call: { name: "weather", arguments: "" } },
      { function_call: { arguments: '{"city":' } },
      { function_call: { arguments: '"Oslo"}' } },
      {},
    ],
  )
  t.equal(choices.at(-1).finish_reason, "function_call")
})

t.test("function_call none leaves the functions out, and both ways at once are refused", async (t) => {
  const { post, engine } = await startServer(t, "node", {}, calling())
  await post("/v1/chat/completions", { ...CHAT, functions: FUNCTIONS, function_call: "none" })
  t.equal(engine.submitted[0]?.prompt.kind === "chat" ? engine.submitted[0].prompt.tools : null, undefined)
  const tools = [{ type: "function", function: { name: "f" } }]
  const both = await post("/v1/chat/completions", { ...CHAT, functions: FUNCTIONS, tools })
  t.equal(both.status, 400)
  t.match(await both.json(), { error: { code: "invalid_value", param: "functions" } })
  const nameless = await post("/v1/chat/completions", { ...CHAT, functions: [{}] })
  t.match(await nameless.json(), { error: { code: "missing_required_parameter", param: "functions.0.name" } })
  const alone = await post("/v1/chat/completions", { ...CHAT, function_call: { name: "f" } })
  t.match(await alone.json(), { error: { code: "invalid_value", param: "function_call" } })
  t.equal((await post("/v1/chat/completions", { ...CHAT, functions: [], function_call: "auto" })).status, 200)
})
