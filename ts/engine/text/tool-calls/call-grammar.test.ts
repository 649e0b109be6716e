// What the grammars of calls allow is what the readers of the same formats read; and nothing else is allowed.

import { Grammars, Tokenizer } from "mlx-jaccl-rs"
import { fileURLToPath } from "node:url"
import t from "tap"
import { schemaPart } from "../answer-rule.ts"
import { callGrammar, createToolCallStream, type GrammarTool, toolCallFormatByName } from "./index.ts"
import { randomNumbers } from "./tool-call-fixture.ts"

const TOKENIZER = fileURLToPath(new URL("../../../../../fixtures/tiny-qwen3/tokenizer.json", import.meta.url))
const VOCABULARY = 4096
const END = 4082
const [FREE, MASKED, COMPLETE] = [0, 1, 2]

const tool = (name: string, properties: object, required: readonly string[]): GrammarTool => ({
  name,
  schema: { type: "object", properties, required, additionalProperties: false },
  isStrict: true,
  param: name,
})
const TOOLS: readonly GrammarTool[] = [
  tool("get_weather", { city: { enum: ["Oslo", "Rome"] }, days: { type: "integer", minimum: 1, maximum: 9 } }, [
    "city",
  ]),
  tool(
    "plan",
    {
      at: { anyOf: [{ type: "null" }, { type: "boolean" }] },
      ids: { type: "array", items: { $ref: "#/$defs/id" }, maxItems: 2 },
    },
    ["ids"],
  ),
  tool("note", { text: { type: "string", maxLength: 6 } }, ["text"]),
].map((one) => ({ ...one, schema: { ...one.schema, $defs: { id: { type: "integer", minimum: 0, maximum: 20 } } } }))

const W = '{"city": "Oslo", "days": 2}'
const P = '{"at": true, "ids": [3, 4]}'
/** Format, what stands in the template, and two calls. */
const TEXTS: readonly (readonly [format: string, template: string, text: string])[] = [
  [
    "hermes",
    "",
    `<tool_call>\n{"name": "get_weather", "arguments": ${W}}\n</tool_call>\n<tool_call>\n{"name": "plan", "arguments": ${P}}\n</tool_call>`,
  ],
  ["llama", "", `{"name": "get_weather", "parameters": ${W}}; {"name": "plan", "parameters": ${P}}`],
  [
    "llama",
    "<|python_tag|>",
    `<|python_tag|>{"name": "get_weather", "parameters": ${W}}; {"name": "plan", "parameters": ${P}}`,
  ],
  ["mistral", "[ARGS]", `[TOOL_CALLS]get_weather[ARGS]${W}[TOOL_CALLS]plan[ARGS]${P}`],
  [
    "mistral",
    "[TOOL_CALLS] [",
    `[TOOL_CALLS] [{"name": "get_weather", "arguments": ${W}}, {"name": "plan", "arguments": ${P}}]`,
  ],
  [
    "deepseek",
    "",
    `<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>${W}<｜tool▁call▁end｜><｜tool▁call▁begin｜>plan<｜tool▁sep｜>${P}<｜tool▁call▁end｜><｜tool▁calls▁end｜>`,
  ],
  [
    "deepseek",
    "```json",
    `<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n\`\`\`json\n${W}\n\`\`\`<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>plan\n\`\`\`json\n${P}\n\`\`\`<｜tool▁call▁end｜><｜tool▁calls▁end｜>`,
  ],
  [
    "kimi",
    "",
    `<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>${W}<|tool_call_end|><|tool_call_begin|>functions.plan:1<|tool_call_argument_begin|>${P}<|tool_call_end|><|tool_calls_section_end|>`,
  ],
  [
    "cohere",
    "<|START_ACTION|>",
    `<|START_ACTION|>[\n    {"tool_call_id": "0", "tool_name": "get_weather", "parameters": ${W}},\n    {"tool_call_id": "1", "tool_name": "plan", "parameters": ${P}}\n]<|END_ACTION|>`,
  ],
  [
    "cohere",
    "",
    `Action: \`\`\`json\n[\n    {"tool_name": "get_weather", "parameters": ${W}},\n    {"tool_name": "plan", "parameters": ${P}}\n]\n\`\`\``,
  ],
  [
    "phi4",
    "",
    `<|tool_call|>[{"name": "get_weather", "arguments": ${W}}, {"name": "plan", "arguments": ${P}}]<|/tool_call|>`,
  ],
  ["phi4", "functools[", `functools[{"name": "get_weather", "arguments": ${W}}, {"name": "plan", "arguments": ${P}}]`],
  ["granite", "", `<|tool_call|>[{"name": "get_weather", "arguments": ${W}}, {"name": "plan", "arguments": ${P}}]`],
  ["harmony", "", `<|channel|>commentary to=functions.plan <|constrain|>json<|message|>${P}`],
  [
    "qwen3_coder",
    "",
    `<tool_call>\n<function=get_weather>\n<parameter=city>\nOslo\n</parameter>\n<parameter=days>\n2\n</parameter>\n</function>\n</tool_call>\n<tool_call>\n<function=note>\n<parameter=text>\na <b> \n</parameter>\n</function>\n</tool_call>`,
  ],
  [
    "glm",
    "",
    `<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Oslo</arg_value>\n</tool_call>\n<tool_call>plan\n<arg_key>ids</arg_key>\n<arg_value>[3, 4]</arg_value>\n</tool_call>`,
  ],
  [
    "minimax",
    "",
    `<minimax:tool_call>\n<invoke name="get_weather">\n<parameter name="city">Rome</parameter>\n</invoke>\n<invoke name="note">\n<parameter name="text">two\nlines</parameter>\n</invoke>\n</minimax:tool_call>`,
  ],
  [
    "longcat",
    "",
    `<longcat_tool_call>note\n<longcat_arg_key>text</longcat_arg_key>\n<longcat_arg_value>x</longcat_arg_value>\n</longcat_tool_call>\n<longcat_tool_call>plan\n<longcat_arg_key>ids</longcat_arg_key>\n<longcat_arg_value>[]</longcat_arg_value>\n</longcat_tool_call>`,
  ],
  [
    "deepseek_dsml",
    "",
    `<｜DSML｜function_calls>\n<｜DSML｜invoke name="note">\n<｜DSML｜parameter name="text" string="true">hi</｜DSML｜parameter>\n</｜DSML｜invoke>\n<｜DSML｜invoke name="plan">\n<｜DSML｜parameter name="ids" string="false">[1]</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜function_calls>`,
  ],
  [
    "gemma4",
    "",
    '<|tool_call>call:get_weather{city:<|"|>Oslo<|"|>,days:2}<tool_call|><|tool_call>call:plan{at:true,ids:[3,4]}<tool_call|>',
  ],
  [
    "gemma4",
    "optional members",
    '<|tool_call>call:get_weather{city:<|"|>Rome<|"|>}<tool_call|><|tool_call>call:note{text:<|"|>a}, {<|"|>}<tool_call|>',
  ],
  [
    "function_gemma",
    "",
    "<start_function_call>call:note{text:<escape><b> x<escape>}<end_function_call><start_function_call>call:plan{ids:[]}<end_function_call>",
  ],
  ["lfm2", "", `<|tool_call_start|>[get_weather(city="Oslo", days=2, ), plan(ids=[3, 4], )]<|tool_call_end|>`],
  ["llama_pythonic", "", `[get_weather(city="Rome", ), note(text="a, b", )]`],
]

const tokenizer = Tokenizer.fromFile(TOKENIZER)
const grammars = new Grammars(TOKENIZER, Int32Array.of(END), VOCABULARY)

function open(format: string, template: string, several: boolean) {
  const found = toolCallFormatByName(format)
  const grammar = found && callGrammar(found, { tools: TOOLS, several, controls: new Map(), template })
  if (grammar === null) throw new Error(format)
  const parts = grammar.schemas.map(({ name, schema, isStrict }) => schemaPart(name, schema, isStrict))
  const rule = { grammars: [{ name: "main", lark: `start: calls\n${grammar.lark}` }, ...parts], isWhole: true }
  const constraint = grammars.open(JSON.stringify(rule), Int32Array.of(END), 0, new Int32Array(0))
  const mask = new Int32Array(VOCABULARY / 32)
  const next = (): number => {
    const kind = constraint.mask(mask, 0)
    if (kind !== FREE && kind !== MASKED && kind !== COMPLETE) throw new Error(`${format}: ${constraint.error}`)
    return kind
  }
  const allows = (id: number): boolean => next() === MASKED && ((mask[id >> 5] ?? 0) >> (id & 31)) % 2 !== 0
  return { constraint, next, allows, format: found, mask }
}

async function compiled({ constraint }: ReturnType<typeof open>): Promise<void> {
  while (constraint.status === "compiling") await new Promise((resolve) => setImmediate(resolve))
}

/** The calls that the format's reader finds. */
function read(format: string, text: string): { name: string; arguments: unknown }[] {
  const found = toolCallFormatByName(format)
  if (found === null) throw new Error(format)
  const tools = TOOLS.map(({ name, schema }) => ({ name, parameters: schema }))
  const stream = createToolCallStream(found, tools)
  const calls: { name: string; arguments: string }[] = []
  for (const event of [...stream.push(text, 0), ...stream.flush()]) {
    if (event.type === "start") calls.push({ name: event.name, arguments: "" })
    const last = calls.at(-1)
    if (event.type === "arguments" && last !== undefined) last.arguments += event.text
  }
  return calls.map((call) => ({ name: call.name, arguments: JSON.parse(call.arguments) }))
}

for (const [format, template, text] of TEXTS) {
  t.test(`${format}${template === "" ? "" : ` with ${template}`}: calls are allowed as they are read`, async (t) => {
    const one = open(format, template, true)
    await compiled(one)
    for (const [at, id] of tokenizer.encode(text, false, true).entries()) {
      if (!one.allows(id)) t.fail(`token ${at} (${tokenizer.decode(Int32Array.of(id), false)}) of ${text}`)
      one.constraint.advance(id)
    }
    t.ok(one.next() === COMPLETE || one.allows(END), "it may end here")
    const calls = read(format, text)
    t.equal(calls.length, format === "harmony" ? 1 : 2)
    const wrong = open(format, template, true)
    const other = tokenizer.encode(text.replaceAll(/get_weather|plan|note/g, "no_such"), false, true)
    t.ok(wrong.constraint.validate(other) < other.length, "no other tool can be called")
  })
}

/** Of free text, a random walk finds no end. */
const WALKED = new Set([
  "hermes",
  "llama",
  "mistral",
  "deepseek",
  "kimi",
  "cohere",
  "phi4",
  "granite",
  "harmony",
  "gemma4",
  "function_gemma",
  "lfm2",
])

for (const [format, template] of TEXTS.filter(([name]) => WALKED.has(name))) {
  t.test(`${format}${template === "" ? "" : ` with ${template}`}: whatever is allowed is read`, async (t) => {
    for (const seed of [1, 2, 3]) {
      const one = open(format, template, false)
      await compiled(one)
      const below = randomNumbers(seed)
      const ids: number[] = []
      while (one.next() === MASKED && ids.length < 400) {
        const allowed = [...Array(VOCABULARY).keys()].filter((id) => ((one.mask[id >> 5] ?? 0) >> (id & 31)) % 2 !== 0)
        if (allowed.includes(END)) break
        const id = allowed[below(allowed.length)] ?? END
        ids.push(id)
        one.constraint.advance(id)
      }
      const text = tokenizer.decode(Int32Array.from(ids), false)
      const [call, ...more] = read(format, text)
      t.same(more, [])
      t.match(call, { name: /^(get_weather|plan|note)$/, arguments: Object }, text)
    }
  })
}
