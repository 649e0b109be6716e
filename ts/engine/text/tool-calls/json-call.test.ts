import t from "tap"
import { toolCallFormat } from "./index.ts"
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
