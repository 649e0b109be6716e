import t from "tap"
import { gives } from "./tool-call-fixture.ts"

t.test("minimax: several calls, values of the schema's types, a nullable text stays a text", async (t) => {
  const block = (body: string): string => `<minimax:tool_call>\n${body}\n</minimax:tool_call>`
  const weather =
    '<invoke name="get_weather">\n<parameter name="city">a <b> "c"\n</parameter>\n<parameter name="days">3</parameter>\n</invoke>'
  const time = '<invoke name="get-time"><parameter name="zone">None</parameter></invoke>'
  gives(t, "minimax", `Yes.\n${block(`${weather}\n${time}`)}`, "Yes.", [
    ["get_weather", '{"city": "a <b> \\"c\\"", "days": 3}'],
    ["get-time", '{"zone": "None"}'],
  ])
  gives(t, "minimax", block('<invoke name="get-time">\n</invoke>'), "", [["get-time", "{}"]])
  gives(t, "minimax", block('<invoke name="nobody"></invoke>'), block('<invoke name="nobody"></invoke>'), [])
  gives(t, "minimax", '<minimax:tool_call><invoke name="get_wea', '<minimax:tool_call><invoke name="get_wea', [])
})

t.test("deepseek dsml: the markup says what is a string", async (t) => {
  const block = (body: string): string => `<｜DSML｜function_calls>\n${body}\n</｜DSML｜function_calls>`
  const invoke = (name: string, body: string): string => `<｜DSML｜invoke name="${name}">\n${body}</｜DSML｜invoke>`
  const value = (name: string, kind: string, text: string): string =>
    `<｜DSML｜parameter name="${name}" string="${kind}">${text}</｜DSML｜parameter>\n`
  gives(
    t,
    "deepseek_dsml",
    block(
      `${invoke("get_weather", value("city", "true", "42\n") + value("x", "false", '{"a": [1]}'))}\n${invoke("get-time", "")}`,
    ),
    "",
    [
      ["get_weather", '{"city": "42\\n", "x": {"a": [1]}}'],
      ["get-time", "{}"],
    ],
  )
  gives(t, "deepseek_dsml", block(invoke("get-time", value("utc", "false", "yes"))), "", [
    ["get-time", '{"utc": "yes"}'],
  ])
  gives(t, "deepseek_dsml", block(invoke("nobody", "")), block(invoke("nobody", "")), [])
})

t.test("glm: keys and values, no arguments, JSON between the same markers", async (t) => {
  const call = (body: string): string => `<tool_call>${body}</tool_call>`
  const weather =
    "get_weather\n<arg_key>city</arg_key>\n<arg_value>New\nYork</arg_value>\n<arg_key>days</arg_key>\n<arg_value>2</arg_value>\n"
  gives(t, "glm", `Sure.\n${call(weather)}\n${call("get-time")}`, "Sure.", [
    ["get_weather", '{"city": "New\\nYork", "days": 2}'],
    ["get-time", "{}"],
  ])
  gives(t, "glm", call("get-time<arg_key>utc</arg_key><arg_value>true</arg_value>"), "", [
    ["get-time", '{"utc": true}'],
  ])
  gives(t, "glm", call('{"name": "get-time", "arguments": {}}'), "", [["get-time", "{}"]])
  gives(t, "glm", call("nobody"), call("nobody"), [])
  gives(t, "glm", "<tool_call>get_wea", "<tool_call>get_wea", [])
})

t.test("lists and objects in Python's writing become JSON", async (t) => {
  const call = (value: string): string =>
    `<tool_call>plan<arg_key>steps</arg_key><arg_value>${value}</arg_value></tool_call>`
  gives(t, "glm", call("[{'a': True, 'b': \"it's\"}, {}]"), "", [
    ["plan", '{"steps": [{"a": true, "b": "it\'s"}, {}]}'],
  ])
  gives(t, "glm", call('[{"a": [1]}]'), "", [["plan", '{"steps": [{"a": [1]}]}']])
  gives(t, "glm", call("[see above"), "", [["plan", '{"steps": "[see above"}']])
})

t.test("longcat: keys and values, no arguments, JSON", async (t) => {
  const call = (body: string): string => `<longcat_tool_call>${body}</longcat_tool_call>`
  const key = "<longcat_arg_key>days</longcat_arg_key>\n<longcat_arg_value>2</longcat_arg_value>"
  gives(t, "longcat", call(`get_weather\n${key}\n`) + call("get-time\n"), "", [
    ["get_weather", '{"days": 2}'],
    ["get-time", "{}"],
  ])
  gives(t, "longcat", call('{"name": "get-time", "arguments": {"utc": false}}'), "", [["get-time", '{"utc": false}']])
})
