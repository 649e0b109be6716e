import t from "tap"
import { createToolCallStream, toolCallFormat, toolCallFormatByName } from "./index.ts"
import { gives } from "./tool-call-fixture.ts"

const LIST =
  '[{"name": "get_weather", "arguments": {"city": "Oslo"}}, {"name": "get-time", "arguments": {"zone": "]"}}]'
const CALLS: [string, string][] = [
  ["get_weather", '{"city": "Oslo"}'],
  ["get-time", '{"zone": "]"}'],
]

t.test("phi 4: a list between markers or after functools", async (t) => {
  gives(t, "phi4", `<|tool_call|>${LIST}<|/tool_call|>`, "", CALLS)
  gives(t, "phi4", `functools${LIST}`, "", CALLS)
  gives(t, "phi4", "functools.wraps", "functools.wraps", [])
  gives(t, "phi4", "functools[0] is wrong", "functools[0] is wrong", [])
})

t.test("granite: a list up to the end of the answer", async (t) => {
  gives(t, "granite", `<|tool_call|>${LIST}`, "", CALLS)
  gives(t, "granite", `So.\n<tool_call>${LIST}</tool_call>`, "So.", CALLS)
  gives(t, "granite", "<|tool_call|>[]!", "<|tool_call|>[]!", [])
})

t.test("cohere: its own member names, between markers or fenced", async (t) => {
  const list =
    '[\n  {"tool_call_id": "0", "tool_name": "get_weather", "parameters": {"city": "Oslo"}},\n  {"tool_name": "get-time", "parameters": {}}\n]'
  const wanted: [string, string][] = [
    ["get_weather", '{"city": "Oslo"}'],
    ["get-time", "{}"],
  ]
  gives(t, "cohere", `<|START_ACTION|>${list}<|END_ACTION|>`, "", wanted)
  gives(t, "cohere", `Action: \`\`\`json\n${list}\n\`\`\``, "", wanted)
  gives(t, "cohere", '<|START_ACTION|>[{"parameters": {}, "tool_name": "get-time"}]<|END_ACTION|>', "", [
    ["get-time", "{}"],
  ])
})

t.test("what cannot become a call is not held back", async (t) => {
  const shown = (format: string, text: string): string => {
    const found = toolCallFormatByName(format)
    if (found === null) throw new Error(format)
    const stream = createToolCallStream(found, [{ name: "f" }])
    return stream.push(text, 0).reduce((all, event) => all + (event.type === "content" ? event.text : ""), "")
  }
  t.equal(shown("llama", '{"na'), "")
  t.equal(shown("llama", '{"answer": 4'), '{"answer": 4')
  t.equal(shown("llama_pythonic", "[1, 2"), "[1, 2")
  t.equal(shown("llama_pythonic", "[f"), "")
  t.equal(shown("hermes", "<tool_call>so"), "<tool_call>so")
  t.equal(shown("gemma4", "<|tool_call>cal"), "")
  t.equal(shown("gemma4", "<|tool_call>can"), "<|tool_call>can")
})

t.test("brackets that are missing before the end marker are added, other things are not", async (t) => {
  const cut = '<tool_call>{"name": "get_weather", "arguments": {"x": [{"city": "Oslo"}'
  gives(t, "hermes", `${cut}</tool_call>`, "", [["get_weather", '{"x": [{"city": "Oslo"}]}']])
  gives(t, "hermes", cut, "", [["get_weather", '{"x": [{"city": "Oslo"}']], 0)
  const text = '<tool_call>{"name": "get_weather", "arguments": {"city": "Os'
  gives(t, "hermes", `${text}</tool_call>`, "", [["get_weather", '{"city": "Os']], 0)
  const kimi = '<|tool_call_begin|>functions.get-time:0<|tool_call_argument_begin|>{"utc": true'
  gives(t, "kimi", `<|tool_calls_section_begin|>${kimi}<|tool_calls_section_end|>`, "", [["get-time", '{"utc": true}']])
})

t.test("markers in what is no call count", async (t) => {
  const call = '<tool_call>{"name": "get-time", "arguments": {}}</tool_call>'
  gives(t, "hermes", `The text <tool_call> is used so: ${call}`, "The text <tool_call> is used so:", [
    ["get-time", "{}"],
  ])
  gives(t, "hermes", `<tool_call>${call}`, "<tool_call>", [["get-time", "{}"]])
  gives(t, "llama", '{"a": 1}<|python_tag|>{"name": "get-time", "parameters": {}}', '{"a": 1}', [["get-time", "{}"]])
})

t.test("each family's template chooses its format", async (t) => {
  const templates: [string, string][] = [
    ["<minimax:tool_call> <tool_call>", "minimax"],
    ["<|tool_call> <tool_call|>", "gemma4"],
    ["<start_function_call>", "function_gemma"],
    ["<longcat_tool_call>", "longcat"],
    ["<tool_call> <arg_key>", "glm"],
    ["<|tool_list_start|>", "lfm2"],
    ["<|tool_calls_section_begin|>", "kimi"],
    ["<|START_ACTION|>", "cohere"],
    ["<|tool|> <|/tool|> <|tool_call|>", "phi4"],
    ["<|start_of_role|>available_tools<|end_of_role|>", "granite"],
    ["<|start_of_role|>available_tools<|end_of_role|> <tool_call>", "hermes"],
    ["<|start|> <|channel|>", "harmony"],
    ["<｜DSML｜function_calls>", "deepseek_dsml"],
    ["<｜tool▁calls▁begin｜>", "deepseek"],
    ["<|python_start|>", "llama_pythonic"],
  ]
  for (const [template, name] of templates) t.equal(toolCallFormat(template)?.name, name, template)
})
