import t from "tap"
import type { Prompt } from "../generation.ts"
import { createTokenText } from "./detokenizer.ts"
import { createModelText, type TextTokenizer } from "./model-text.ts"

/** A tokenizer of the given control tokens and single bytes. */
function byteTokenizer(controls: readonly string[]): TextTokenizer {
  const first = 256
  const bytesOf = (id: number): Buffer => (id < first ? Buffer.of(id) : Buffer.from(controls[id - first] ?? ""))
  const ids = Array.from({ length: first + controls.length }, (_, id) => id)
  return {
    encode(text, _addSpecial, parsesSpecial) {
      const out: number[] = []
      for (let at = 0; at < text.length; ) {
        const control = parsesSpecial ? controls.findIndex((known) => text.startsWith(known, at)) : -1
        if (control >= 0) out.push(first + control)
        else out.push(...Buffer.from(text[at] ?? ""))
        at += control >= 0 ? (controls[control]?.length ?? 1) : 1
      }
      return Int32Array.from(out)
    },
    decode: (list) => Buffer.concat([...list].map(bytesOf)).toString(),
    tokenBytes: bytesOf,
    tokenTable() {
      const parts = ids.map(bytesOf)
      const offsets = Int32Array.from([0, ...parts].map((_, i) => Buffer.concat(parts.slice(0, i)).length))
      return { bytes: Buffer.concat(parts), offsets }
    },
    idToToken: (id) => (id < first ? null : (controls[id - first] ?? null)),
    specialIds: () => Int32Array.from(controls.map((_, i) => first + i)),
    vocabularySize: ids.length,
  }
}

function modelText(template: string, controls: readonly string[]) {
  const source = {
    path: "",
    tokenizer: { kind: "json", path: "" } as const,
    chatTemplates: { default: template },
    specialTokens: {},
    bosId: null,
    eosIds: [],
  }
  return createModelText(source, byteTokenizer(controls), () => null)
}

const chat = (templateOptions: Record<string, unknown> = {}): Prompt => ({
  kind: "chat",
  messages: [{ role: "user", content: "Hi" }],
  templateOptions,
})

t.test("control tokens of markers and calls are seen by the parsers, all others have no text", async (t) => {
  const gemma = modelText("<|channel>thought <|tool_call> <tool_call|> <turn|>", [
    "<|channel>",
    "<channel|>",
    "<turn|>",
  ])
  const tokens = createTokenText(gemma.facts().tokens)
  t.same(
    [256, 257, 258].map((id) => Buffer.from(tokens.bytes(id)).toString()),
    ["<|channel>", "<channel|>", ""],
  )
  t.same(gemma.facts().eosIds, [258])
})

t.test("on channels the end of a thought is not the end of the turn", async (t) => {
  const controls = ["<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|call|>", "<|return|>"]
  const facts = modelText(controls.join(" "), controls).facts()
  t.same(facts.eosIds, [260, 261])
  t.equal(facts.toolFormat, "harmony")
  const tokens = createTokenText(facts.tokens)
  for (const [i, text] of controls.entries()) t.equal(Buffer.from(tokens.bytes(256 + i)).toString(), text)
})

t.test("a request without thinking gets none, whatever the template knows", async (t) => {
  const controls = ["<think>", "</think>"]
  const rendered = (template: string, options?: Record<string, unknown>): [string, boolean] => {
    const { ids, startsInReasoning } = modelText(template, controls).encode(chat(options))
    return [byteTokenizer(controls).decode(ids, false), startsInReasoning]
  }
  const off = { enable_thinking: false }
  t.same(rendered("A:{{ '<think>\\n' }}"), ["A:<think>\n", true])
  t.same(rendered("A:{{ '<think>\\n' }}", off), ["A:<think>\n\n</think>\n\n", false])
  t.same(rendered("A:{# <think> #}", off), ["A:<think>\n\n</think>\n\n", false])
  t.same(rendered("A:{# <think> #}", { reasoning_effort: "low" }), ["A:", false])
  const knows = "A:{% if enable_thinking is false %}{{ '<think>\\n\\n</think>' }}{% endif %}"
  t.same(rendered(knows, off), ["A:<think>\n\n</think>", false])
  t.same(rendered(knows, { thinking: false }), ["A:<think>\n\n</think>", false])
  t.same(rendered(knows, { reasoning_effort: "none" }), ["A:<think>\n\n</think>", false])
  t.same(rendered(knows, { reasoning_effort: "high" }), ["A:", false])
})

t.test("an effort that the template does not name becomes the nearest it knows", async (t) => {
  const rendered = (template: string, effort: string): string =>
    byteTokenizer([]).decode(modelText(template, []).encode(chat({ reasoning_effort: effort })).ids, false)
  t.equal(rendered("{{ reasoning_effort }}", "medium"), "medium")
  t.equal(rendered("{{ reasoning_effort }}", "minimal"), "low")
  t.equal(rendered("{{ reasoning_effort }}", "xhigh"), "high")
  t.equal(rendered("{% if reasoning_effort == 'none' %}0{% endif %}", "none"), "0")
})

t.test("a text is filled in with the model's own tokens, and refused where it has none", async (t) => {
  const prompt: Prompt = { kind: "text", text: "a(", suffix: ")" }
  const filled = (controls: readonly string[]): string =>
    byteTokenizer(controls).decode(modelText("", controls).encode(prompt).ids, false)
  const qwen = ["<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"]
  t.equal(filled(qwen), "<|fim_prefix|>a(<|fim_suffix|>)<|fim_middle|>")
  t.equal(filled(["[PREFIX]", "[SUFFIX]"]), "[SUFFIX])[PREFIX]a(")
  t.ok(modelText("", qwen).facts().fillsIn)
  t.notOk(modelText("", []).facts().fillsIn)
  t.throws(() => modelText("", qwen.slice(1)).encode(prompt), { code: "invalid_request", param: "suffix" })
})
