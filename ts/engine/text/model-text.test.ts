import t from "tap"
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
  return createModelText(source, byteTokenizer(controls))
}

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
