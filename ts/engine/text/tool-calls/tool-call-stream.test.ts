import t from "tap"
import { toolCallFormat } from "./index.ts"
import { gives } from "./tool-call-fixture.ts"

t.test("hermes: one call, several calls, calls after text", async (t) => {
  const oslo = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n</tool_call>'
  gives(t, "hermes", oslo, "", [["get_weather", '{"city": "Oslo"}']])
  gives(t, "hermes", `Let me see.\n\n${oslo}\n${oslo}\n`, "Let me see.", [
    ["get_weather", '{"city": "Oslo"}'],
    ["get_weather", '{"city": "Oslo"}'],
  ])
  gives(
    t,
    "hermes",
    '<tool_call>{"name": "get-time", "arguments": {}}\n{"name": "get_weather", "arguments": {"a": [1, {"}": "]"}]}}</tool_call>',
    "",
    [
      ["get-time", "{}"],
      ["get_weather", '{"a": [1, {"}": "]"}]}'],
    ],
  )
})

t.test("hermes: arguments first, as a text, as parameters, or none at all", async (t) => {
  gives(t, "hermes", '<tool_call>{"arguments": {"city": "Oslo"}, "name": "get_weather"}</tool_call>', "", [
    ["get_weather", '{"city":"Oslo"}'],
  ])
  gives(t, "hermes", '<tool_call>{"name": "get_weather", "arguments": "{\\"city\\": \\"Oslo\\"}"}</tool_call>', "", [
    ["get_weather", '{"city": "Oslo"}'],
  ])
  gives(t, "hermes", '<tool_call>{"name": "get-time", "parameters": {"utc": true}}</tool_call>', "", [
    ["get-time", '{"utc": true}'],
  ])
  gives(t, "hermes", '<tool_call>{"name": "get-time"}</tool_call>', "", [["get-time", "{}"]])
})

t.test("hermes: line breaks in strings and commas too many are mended", async (t) => {
  gives(
    t,
    "hermes",
    '<tool_call>{"name": "get_weather", "arguments": {"city": "a\nb\\"", "x": [1, ], }}</tool_call>',
    "",
    [["get_weather", '{"city": "a\\nb\\"", "x": [1]}']],
  )
})

t.test("hermes: what is no call goes back into the content as it was", async (t) => {
  for (const text of [
    'See: <tool_call>{"name": "unknown", "arguments": {}}</tool_call> so.',
    "<tool_call>not json</tool_call>",
    "<tool_call>{}</tool_call>",
    '<tool_call>{"name": "get_weather", "argu',
    "<tool_call>",
    "a < b, <tool, <tool_cal",
    " spaces around ",
  ])
    gives(t, "hermes", text, text, [])
})

t.test(
  "hermes: a call that the end of the answer cuts is partial; one that lacks only its marker is whole",
  async (t) => {
    gives(
      t,
      "hermes",
      '<tool_call>{"name": "get_weather", "arguments": {"city": "Os',
      "",
      [["get_weather", '{"city": "Os']],
      0,
    )
    gives(t, "hermes", '<tool_call>{"name": "get_weather", "arguments": {"city": "Oslo"}', "", [
      ["get_weather", '{"city": "Oslo"}'],
    ])
  },
)

t.test("llama: after its marker, bare, several, and JSON that is no call", async (t) => {
  const call = '{"name": "get_weather", "parameters": {"city": "Oslo"}}'
  gives(t, "llama", `<|python_tag|>${call}`, "", [["get_weather", '{"city": "Oslo"}']])
  gives(t, "llama", `${call}; ${call}`, "", [
    ["get_weather", '{"city": "Oslo"}'],
    ["get_weather", '{"city": "Oslo"}'],
  ])
  gives(t, "llama", '{"answer": 42}', '{"answer": 42}', [])
  gives(t, "llama", `Use ${call}`, `Use ${call}`, [])
})

t.test("mistral: named and listed", async (t) => {
  gives(t, "mistral", '[TOOL_CALLS]get-time[ARGS]{"utc": true}[TOOL_CALLS]get_weather[ARGS]{"city": "a, b"}', "", [
    ["get-time", '{"utc": true}'],
    ["get_weather", '{"city": "a, b"}'],
  ])
  gives(
    t,
    "mistral",
    'Well.[TOOL_CALLS] [{"name": "get-time", "arguments": {"utc": true}}, {"name": "get-time", "arguments": {}}]',
    "Well.",
    [
      ["get-time", '{"utc": true}'],
      ["get-time", "{}"],
    ],
  )
  gives(t, "mistral", "[TOOL_CALLS]nothing[ARGS]{}", "[TOOL_CALLS]nothing[ARGS]{}", [])
})

t.test("qwen3-coder: values take the types of the schema", async (t) => {
  const call = (body: string): string => `<tool_call>\n<function=${body}</function>\n</tool_call>`
  gives(
    t,
    "qwen3_coder",
    call("get_weather>\n<parameter=city>\nNew\nYork\n</parameter>\n<parameter=days>\n3\n</parameter>\n"),
    "",
    [["get_weather", '{"city": "New\\nYork", "days": 3}']],
  )
  gives(t, "qwen3_coder", call("get-time><parameter=utc>True</parameter><parameter=zone>null</parameter>"), "", [
    ["get-time", '{"utc": true, "zone": null}'],
  ])
  gives(t, "qwen3_coder", call("get_weather><parameter=city>42</parameter><parameter=days>many</parameter>"), "", [
    ["get_weather", '{"city": "42", "days": "many"}'],
  ])
  gives(t, "qwen3_coder", call("get-time></function> <function=get-time>"), "", [
    ["get-time", "{}"],
    ["get-time", "{}"],
  ])
  gives(t, "qwen3_coder", call("nobody>"), call("nobody>"), [])
})

t.test("the template chooses the format", async (t) => {
  t.equal(toolCallFormat("<tool_call>\n<function=a><parameter=b>")?.name, "qwen3_coder")
  t.equal(toolCallFormat("<tool_call> tool_call.name")?.name, "hermes")
  t.equal(toolCallFormat("[AVAILABLE_TOOLS] [TOOL_CALLS]")?.name, "mistral")
  t.equal(toolCallFormat("<|python_tag|>")?.name, "llama")
  t.equal(toolCallFormat("{{ messages }}"), null)
})
