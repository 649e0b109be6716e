import t from "tap"
import { CHAT, startServer } from "./testing/start-server.ts"
import { createScriptedEngine } from "./testing/scripted-engine.ts"

const schema = { type: "object", properties: { a: { type: "string" } } }
const tool = { type: "function", function: { name: "f", strict: true, parameters: schema } }

/** Fields of a request, and what the engine hears of them. */
const ASKED: readonly (readonly [fields: object, heard: object])[] = [
  [{ response_format: { type: "text" } }, { answerFormat: undefined }],
  [
    { response_format: { type: "json_object" } },
    { answerFormat: { kind: "json", schema: { type: "object" }, strict: false, param: "response_format.schema" } },
  ],
  [
    { response_format: { type: "json_schema", json_schema: { name: "x", schema, strict: true } } },
    { answerFormat: { kind: "json", schema, strict: true, param: "response_format.json_schema.schema" } },
  ],
  [{ json_schema: schema }, { answerFormat: { kind: "json", schema, strict: false, param: "json_schema" } }],
  [{ guided_json: JSON.stringify(schema) }, { answerFormat: { kind: "json", schema, param: "guided_json" } }],
  [{ structured_outputs: { json: schema } }, { answerFormat: { schema, param: "structured_outputs.json" } }],
  [{ regex: "a+" }, { answerFormat: { kind: "regex", pattern: "a+", param: "regex" } }],
  [{ guided_regex: "a+" }, { answerFormat: { kind: "regex", pattern: "a+", param: "guided_regex" } }],
  [{ choice: ["a", "b"] }, { answerFormat: { kind: "choice", choices: ["a", "b"], param: "choice" } }],
  [
    { structured_outputs: { choice: ["a"] } },
    { answerFormat: { kind: "choice", choices: ["a"], param: "structured_outputs.choice" } },
  ],
  [{ grammar: 'start: "a"' }, { answerFormat: { kind: "lark", grammar: 'start: "a"', param: "grammar" } }],
  [{ grammar: "", regex: null }, { answerFormat: undefined }],
  [
    { tools: [tool], tool_choice: "required" },
    { toolChoice: "required", prompt: { tools: [{ strict: true }] } },
  ],
  [
    { tools: [tool], tool_choice: { type: "function", function: { name: "f" } }, parallel_tool_calls: false },
    { toolChoice: { name: "f" }, parallelCalls: false },
  ],
  [
    { tools: [tool], tool_choice: "none" },
    { toolChoice: undefined, prompt: { tools: undefined } },
  ],
]

t.test("what constrains an answer reaches the engine, under all its names and on both routes", async (t) => {
  const engine = createScriptedEngine()
  const { post } = await startServer(t, "uws", {}, engine)
  for (const [fields, heard] of ASKED) {
    const response = await post("/v1/chat/completions", { ...CHAT, ...fields })
    t.equal(response.status, 200, JSON.stringify(fields))
    t.match(engine.submitted.at(-1), heard, JSON.stringify(fields))
  }
  for (const [fields, heard] of ASKED.filter(([given]) => !("tools" in given))) {
    await post("/v1/completions", { prompt: "a", ...fields })
    t.match(engine.submitted.at(-1), heard, JSON.stringify(fields))
  }
})

t.test("what has no meaning is refused by the field's name", async (t) => {
  const { post } = await startServer(t, "uws")
  for (const [fields, param] of [
    [{ regex: "a", choice: ["a"] }, "choice"],
    [{ response_format: { type: "json_object" }, guided_grammar: "x" }, "guided_grammar"],
    [{ response_format: { type: "json_schema" } }, "response_format.json_schema.schema"],
    [{ response_format: { type: "xml" } }, "response_format.type"],
    [{ guided_json: "{" }, "guided_json"],
    [{ choice: [] }, "choice"],
    [{ structured_outputs: { regex: 5 } }, "structured_outputs.regex"],
  ] as const) {
    const response = await post("/v1/chat/completions", { ...CHAT, ...fields })
    t.equal(response.status, 400, JSON.stringify(fields))
    t.match(await response.json(), { error: { param } })
  }
})
