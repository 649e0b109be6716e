import t from "tap"
import { gives } from "./tool-call-fixture.ts"

t.test("kimi: calls in their section, with the model's own ids", async (t) => {
  const call = (name: string, json: string): string =>
    `<|tool_call_begin|>functions.${name}<|tool_call_argument_begin|>${json}<|tool_call_end|>`
  const section = (body: string): string => `<|tool_calls_section_begin|>${body}<|tool_calls_section_end|>`
  gives(t, "kimi", `Well.${section(call("get_weather:0", '{"city": "}"}') + call("get-time:1", "{}"))}`, "Well.", [
    ["get_weather", '{"city": "}"}'],
    ["get-time", "{}"],
  ])
  gives(t, "kimi", section(` ${call("get-time:0 ", " ")}\n`), "", [["get-time", "{}"]])
  const unknown = section(call("nobody:0", "{}"))
  gives(t, "kimi", `See ${unknown} so`, `See ${unknown} so`, [])
  gives(
    t,
    "kimi",
    "<|tool_calls_section_begin|><|tool_call_begin|>functions.get",
    "<|tool_calls_section_begin|><|tool_call_begin|>functions.get",
    [],
  )
})

t.test("deepseek: both generations of headers", async (t) => {
  const section = (...calls: string[]): string =>
    `<｜tool▁calls▁begin｜>${calls.map((call) => `<｜tool▁call▁begin｜>${call}<｜tool▁call▁end｜>`).join("\n")}<｜tool▁calls▁end｜>`
  gives(t, "deepseek", section('get_weather<｜tool▁sep｜>{"city": "Oslo"}', "get-time<｜tool▁sep｜>{}"), "", [
    ["get_weather", '{"city": "Oslo"}'],
    ["get-time", "{}"],
  ])
  const fenced = (name: string, json: string): string => `function<｜tool▁sep｜>${name}\n\`\`\`json\n${json}\n\`\`\``
  gives(t, "deepseek", `Hm.\n${section(fenced("get_weather", '{"city": "```"}'), fenced("get-time", "{}"))}`, "Hm.", [
    ["get_weather", '{"city": "```"}'],
    ["get-time", "{}"],
  ])
  gives(t, "deepseek", section("get_weather<｜tool▁sep｜>text"), section("get_weather<｜tool▁sep｜>text"), [])
  gives(
    t,
    "deepseek",
    '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{"city": "Os',
    "",
    [["get_weather", '{"city": "Os']],
    0,
  )
})

t.test("harmony: the recipient after or before the channel, with and without the end marker", async (t) => {
  const call = '<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{"city": "Oslo"}'
  const wanted: [string, string][] = [["get_weather", '{"city": "Oslo"}']]
  gives(t, "harmony", call, "", wanted)
  gives(t, "harmony", `Let me see.${call}<|call|>`, "Let me see.", wanted)
  gives(t, "harmony", call.replace("commentary", "analysis"), "", wanted)
  gives(t, "harmony", ' to=functions.get_weather<|channel|>commentary json<|message|>{"city": "Oslo"}', "", wanted)
  gives(t, "harmony", "<|channel|>commentary to=functions.get-time <|constrain|>json<|message|>", "", [
    ["get-time", "{}"],
  ])
  gives(t, "harmony", `${call}<|call|>${call}<|call|>`, "", [...wanted, ...wanted])
  const unknown = call.replace("get_weather", "nobody")
  gives(t, "harmony", unknown, unknown, [])
})
