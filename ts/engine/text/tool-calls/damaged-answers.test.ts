// Whatever a model writes, the pieces it arrives in change nothing: correct answers with random damage, seeded.

import t from "tap"
import { randomNumbers, read } from "./tool-call-fixture.ts"

const DAMAGED_ANSWERS = 150
/** Their readers write the JSON themselves; the others pass on what the model wrote. */
const ALWAYS_VALID: ReadonlySet<string> = new Set([
  "qwen3_coder",
  "minimax",
  "gemma4",
  "function_gemma",
  "lfm2",
  "llama_pythonic",
])

const ANSWERS: Readonly<Record<string, string>> = {
  hermes:
    'Hi <tool_call>\n{"name": "get_weather", "arguments": {"city": "Os\\"lo", "x":[1,{"a":2}]}}\n</tool_call> <tool_call>{"name": "get-time", "arguments": {}}</tool_call>',
  llama:
    '{"name": "get_weather", "parameters": {"city": "Oslo"}}; {"name": "get-time", "parameters": {}}<|python_tag|>{"name": "get-time", "parameters": {}}',
  mistral: 'a[TOOL_CALLS]get-time[ARGS]{"utc": true}[TOOL_CALLS][{"name": "get-time", "arguments": {"utc": true}}]',
  qwen3_coder:
    "<tool_call>\n<function=get_weather>\n<parameter=city>\nNew\n</parameter>\n</function>\n<function=get-time></function></tool_call> x",
  minimax:
    '<minimax:tool_call>\n<invoke name="get_weather">\n<parameter name="city">a <b></parameter><parameter name="days">3</parameter></invoke><invoke name="get-time"></invoke></minimax:tool_call>',
  deepseek_dsml:
    '<｜DSML｜function_calls>\n<｜DSML｜invoke name="get_weather">\n<｜DSML｜parameter name="city" string="true">42</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜function_calls>',
  glm: "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Oslo</arg_value>\n</tool_call>\n<tool_call>get-time</tool_call>",
  kimi: '<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>{"city": "a"}<|tool_call_end|><|tool_call_begin|>functions.get-time:1<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|> tail',
  deepseek:
    '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n{"city": "a"}\n```<｜tool▁call▁end｜><｜tool▁call▁begin｜>get-time<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
  harmony:
    'x<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{"city": "Oslo"}<|call|> to=functions.get-time<|channel|>commentary json<|message|>{}<|end|>y',
  phi4: '<|tool_call|>[{"name": "get_weather", "arguments": {"city": "Oslo"}}]<|/tool_call|> functools[{"name": "get-time", "arguments": {"zone": "]"}}]',
  granite:
    '<|tool_call|>[{"name": "get_weather", "arguments": {"city": "Oslo"}}, {"name": "get-time", "arguments": {"zone": "]"}}]',
  cohere:
    'Action: ```json\n[{"tool_name": "get_weather", "parameters": {"city": "a"}}]\n```<|START_ACTION|>[{"tool_call_id": "0", "tool_name": "get-time", "parameters": {}}]<|END_ACTION|>',
  lfm2: '<|tool_call_start|>[get_weather(city="a, b)", days=3), get-time(zone=\'x\', u=[1,{"a": (2,)}], y="""q""")]<|tool_call_end|> Done.',
  llama_pythonic: '[get_weather(city="Oslo", days=2), get-time()]<|python_start|>[get-time()]<|python_end|>',
  gemma4:
    '<|tool_call>call:get_weather{city:<|"|>a, {b}<|"|>,days:3,o:{x-y:<|"|>v<|"|>,l:[1,{}]}}call:get-time{}<tool_call|>',
  function_gemma: "<start_function_call>call:get_weather{city:<escape>Oslo<escape>,o:{a:{b:1}}}<end_function_call>",
  longcat:
    "<longcat_tool_call>get_weather\n<longcat_arg_key>days</longcat_arg_key>\n<longcat_arg_value>2</longcat_arg_value></longcat_tool_call>",
}

function damaged(answer: string, next: (below: number) => number): string {
  let text = answer
  for (let times = next(4); times > 0; times--) {
    const at = next(text.length + 1)
    const length = next(12)
    const kind = next(3)
    const from = next(answer.length)
    if (kind === 0) text = text.slice(0, at) + text.slice(at + length)
    else if (kind === 1) text = text.slice(0, at) + answer.slice(from, from + length) + text.slice(at)
    else text = text.slice(0, at + length)
  }
  return text
}

for (const [format, answer] of Object.entries(ANSWERS))
  t.test(`${format}: streamed is the same as whole`, async (t) => {
    const next = randomNumbers(7)
    for (let i = 0; i < DAMAGED_ANSWERS; i++) {
      const text = damaged(answer, next)
      const whole = read(format, text, () => Number.POSITIVE_INFINITY)
      const wanted = JSON.stringify(whole)
      if (JSON.stringify(read(format, text, () => 1)) !== wanted) t.fail("one unit at a time", { text })
      if (JSON.stringify(read(format, text, () => 1 + next(9))) !== wanted) t.fail("pieces of random lengths", { text })
      const complete = whole.calls.length === whole.completed ? whole.calls : whole.calls.slice(0, -1)
      if (ALWAYS_VALID.has(format)) for (const call of complete) JSON.parse(call.arguments)
    }
  })
