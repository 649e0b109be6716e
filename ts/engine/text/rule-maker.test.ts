// Rules as they come to hold, over the tiny tokenizer with the control tokens of other families.

import { checkGrammar, Grammars, Tokenizer } from "mlx-jaccl-rs"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import t from "tap"
import { type AnswerWish, NO_WISH, type RuleSource } from "./answer-rule.ts"
import { reasoningMarkers } from "./reasoning.ts"
import { createRuleMaker } from "./rule-maker.ts"
import { toolCallFormatByName } from "./tool-calls/index.ts"

const TINY = fileURLToPath(new URL("../../../../fixtures/tiny-qwen3/tokenizer.json", import.meta.url))
const SIZE = 4096
const END = 4082
/** In place of tokens that no test here needs. */
const controls = new Map([
  ["<|channel|>", 4089],
  ["<|message|>", 4090],
  ["<|start|>", 4091],
  ["<|end|>", 4092],
  ["<|constrain|>", 4093],
  ["<|call|>", 4094],
  ["<|tool_call>", 4095],
  ["<tool_call|>", 4085],
  ['<|"|>', 4086],
])
const [MASKED, COMPLETE] = [1, 2]

const path = join(t.testdir(), "tokenizer.json")
const json: { added_tokens: { id: number; content: string }[] } = JSON.parse(readFileSync(TINY, "utf8"))
for (const [content, own] of controls) {
  const token = json.added_tokens.find(({ id }) => id === own)
  if (token !== undefined) token.content = content
}
writeFileSync(path, JSON.stringify(json))
const tokenizer = Tokenizer.fromFile(path)
const grammars = new Grammars(path, Int32Array.of(END), SIZE)
const maker = createRuleMaker((rule) => checkGrammar(rule, SIZE, 5000))

const source = (format: string | null, more: Partial<RuleSource> = {}): RuleSource => ({
  reasoning: null,
  startsInReasoning: false,
  mayThink: false,
  toolFormat: format === null ? null : toolCallFormatByName(format),
  template: "",
  controls,
  ...more,
})
const wish = (more: Partial<AnswerWish>): AnswerWish => ({ ...NO_WISH, ...more })
const schema = { type: "object", properties: { a: { type: "integer" } }, required: ["a"], additionalProperties: false }
const format = { kind: "json", schema, strict: true, param: "response_format" } as const
const tools = [{ name: "f", parameters: schema }]
const strict = [{ name: "f", parameters: schema, strict: true }, { name: "g" }]

/** How far a text is allowed, and whether the answer may end after it. */
async function follow(rule: string | null, text: string): Promise<{ allowed: string; ends: boolean }> {
  if (rule === null) throw new Error("no rule")
  const constraint = grammars.open(rule, Int32Array.of(END), 0, new Int32Array(0))
  while (constraint.status === "compiling") await new Promise((resolve) => setImmediate(resolve))
  const ids = tokenizer.encode(text, false, true)
  const mask = new Int32Array(SIZE / 32)
  const count = constraint.validate(ids)
  for (const id of ids.subarray(0, count)) constraint.advance(id)
  const kind = constraint.mask(mask, 0)
  const ends = kind === COMPLETE || (kind === MASKED && ((mask[END >> 5] ?? 0) >> (END & 31)) % 2 !== 0)
  return { allowed: tokenizer.decode(ids.subarray(0, count), false), ends }
}

const whole = async (rule: string | null, text: string) =>
  t.same(await follow(rule, text), { allowed: text, ends: true }, text)
const cut = async (rule: string | null, text: string, allowed: string) =>
  t.same(await follow(rule, text), { allowed, ends: false }, text)

const think = { reasoning: reasoningMarkers("<think>"), mayThink: true }
const channels = { reasoning: reasoningMarkers("<|channel|>"), mayThink: true }

t.test("an answer is constrained, a thought before it is not", async () => {
  const rule = maker.make(wish({ format }), source(null, think))
  await whole(rule, '{"a": 1}')
  await whole(rule, '<think>\nwell {"b"\n</think>\n\n{"a": 12}')
  await cut(rule, "<think>well</think>no", "<think>well</think>")
  await cut(rule, "no", "")
})

t.test("on channels the final message is constrained", async () => {
  const rule = maker.make(wish({ format }), source("harmony", channels))
  await whole(rule, '<|channel|>final<|message|>{"a": 1}')
  await whole(rule, '<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>{"a": 1}')
  await cut(rule, "<|channel|>final<|message|>no", "<|channel|>final<|message|>")
})

t.test("a call that must come comes, after a thought or in its place", async () => {
  const rule = maker.make(wish({ tools, toolChoice: "required" }), source("harmony", channels))
  const call = '<|channel|>commentary to=functions.f <|constrain|>json<|message|>{"a": 1}'
  await whole(rule, call)
  await whole(rule, `<|channel|>analysis<|message|>hm<|end|><|start|>assistant${call}`)
  await cut(rule, "<|channel|>final<|message|>", "<|channel|>")
  const hermes = maker.make(wish({ tools, toolChoice: { name: "f" } }), source("hermes", think))
  const own = '<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>'
  await whole(hermes, own)
  await whole(hermes, `<think>I call${own}`)
  t.same(await follow(hermes, `${own}\n${own}`), { allowed: own, ends: true }, "one call")
})

t.test("with tools and a format the answer is a call or of the format", async () => {
  const rule = maker.make(wish({ format, tools }), source("hermes", think))
  await whole(rule, '{"a": 1}')
  await whole(rule, '<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>')
  await cut(rule, "text", "")
})

t.test("between control tokens a text is any text of its schema that does not look like their marks", async () => {
  const text = { type: "string", pattern: "^[a-z/]+|\\d{2}$", maxLength: 5 }
  const free = { type: ["string", "null"] }
  const inner = { type: "object", properties: { b: free, c: { $ref: "#/$defs/n" } }, required: ["c"] }
  const parameters = {
    type: "object",
    properties: { a: { ...text, pattern: "^[a-z/]+$" }, o: inner, l: { type: "array", items: text, minItems: 1 } },
    additionalProperties: { type: "boolean" },
    $defs: { n: { type: "integer", minimum: 1 } },
  }
  const asked = (tool: object) => wish({ tools: [{ name: "f", ...tool }], toolChoice: "required" })
  const rule = maker.make(asked({ parameters }), source("gemma4", think))
  const call = (body: string) => `<|tool_call>call:f{${body}}<tool_call|>`
  for (const body of [
    "",
    'a:<|"|>ab/c<|"|>',
    'a:<|"|>a<|"|>,o:{c:3},x:true',
    'o:{b:<|"|>a, {b}\n"<|"|>,c:1},l:[<|"|>12<|"|>],y:false',
    "o:{b:null,c:2}",
    'o:{b:<|"|><|"|>,c:2}',
  ])
    await whole(rule, call(body))
  await whole(rule, `<think>so</think>${call("x:true")}`)
  await cut(rule, '<|tool_call>call:f{a:<|"|>A', '<|tool_call>call:f{a:<|"|>')
  await cut(rule, "<|tool_call>call:f{o:{c:0", "<|tool_call>call:f{o:{c:")
  const strictly = maker.make(asked({ parameters: schema, strict: true }), source("gemma4"))
  await whole(strictly, `${call("a:5")}${call("a:-7")}`)
  await cut(strictly, "<|tool_call>call:f{}", "<|tool_call>call:f{")
})

t.test("strict tools leave the answer free and hold the calls in it", async (t) => {
  const rule = maker.make(wish({ tools: strict }), source("hermes", think))
  const said = "Well. <tool_call>\n"
  const result = await follow(rule, `${said}{"name": "f", "arguments": {"a": "no"}}\n</tool_call>`)
  t.match(result.allowed, /"a":?\s*$/)
  const free = await follow(rule, `${said}{"name": "g", "arguments": {}}\n</tool_call> and {"b": 1}`)
  t.match(free.allowed, /and \{"b": 1\}$/)
  const bare = maker.make(wish({ tools: strict }), source("llama"))
  t.match((await follow(bare, '{"name": "f", "parameters": {"b": 1}}')).allowed, /\{"?$/)
  t.match((await follow(bare, "No call {b}")).allowed, /^No call \{b\}$/)
})

t.test("what is asked for in vain is refused by name, what is not strict never", async (t) => {
  const unknown = { type: "object", properties: { a: { not: {} } } }
  const unenforced = { type: "object", properties: { a: { type: "string", format: "date" } } }
  for (const [asked, from, param] of [
    [{ toolChoice: "required" }, source("hermes"), "tool_choice"],
    [{ tools, toolChoice: { name: "g" } }, source("hermes"), "tool_choice"],
    [{ tools, toolChoice: "required" }, source(null), "tool_choice"],
    [
      { tools: [{ name: "g" }, { name: "f", parameters: unenforced, strict: true }] },
      source("gemma4"),
      "tools.1.function.parameters.properties.a.format",
    ],
    [
      { tools: [{ name: "f", parameters: unknown, strict: true }] },
      source("hermes"),
      "tools.0.function.parameters.properties.a.not",
    ],
    [{ format: { ...format, schema: unknown } }, source(null), "response_format.properties.a.not"],
  ] as const)
    t.throws(() => maker.make(wish(asked), from), { code: "invalid_request", param })
  t.equal(maker.make(wish({ tools }), source("hermes")), null)
  t.equal(maker.make(wish({ tools: strict }), source(null)), null)
  for (const parameters of [unknown, { type: "no-such" }, { $ref: "#/nowhere" }, 5, { properties: 5 }])
    for (const format of ["hermes", "gemma4"])
      t.type(maker.make(wish({ tools: [{ name: "f", parameters }], toolChoice: "required" }), source(format)), "string")
  t.type(maker.make(wish({ format: { ...format, schema: unknown, strict: false } }), source(null)), "string")
})
