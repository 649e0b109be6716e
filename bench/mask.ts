// What does constrained decoding cost a step? For each token of answers of several kinds: from the token to the mask after
// it, which is what a step would wait for if its layers took no time. Reading the tokenizer and compiling come once.
//
//   node dist/bench/mask.js --vocabulary 151936 --rounds 5

import { Grammars } from "mlx-jaccl-rs"
import { parseArgs } from "node:util"
import { finish, percentile, table } from "./report.ts"
import { createBenchVocabulary } from "./vocabulary.ts"

const { values } = parseArgs({
  options: { vocabulary: { type: "string", default: "151936" }, rounds: { type: "string", default: "5" } },
})

const person = {
  type: "object",
  properties: {
    name: { type: "string" },
    age: { type: "integer", minimum: 0, maximum: 150 },
    email: { type: "string", format: "email" },
    tags: { type: "array", items: { enum: ["new", "old", "urgent", "late"] } },
    address: {
      type: "object",
      properties: { street: { type: "string" }, zip: { type: "string", pattern: "^[0-9]{5}$" } },
      required: ["street", "zip"],
      additionalProperties: false,
    },
  },
  required: ["name", "age", "tags", "address"],
  additionalProperties: false,
}
const people = {
  name: "Ada Lovelace of Marylebone",
  age: 36,
  email: "ada@example.com",
  tags: ["new", "urgent"],
  address: { street: "12 St James's Square, near the corner", zip: "10115" },
}
const many = {
  type: "object",
  properties: Object.fromEntries(Array.from({ length: 120 }, (_, i) => [`field_${i}`, { type: ["string", "null"] }])),
  additionalProperties: false,
}
const KINDS: readonly (readonly [name: string, part: object, text: string])[] = [
  ["nested object", { schema: person }, JSON.stringify(people, null, 1)],
  ["any object", { schema: { type: "object" } }, JSON.stringify({ a: [1, 2.5, { b: "text with words" }], c: null })],
  [
    "120 optional fields",
    { schema: many },
    JSON.stringify({ field_3: "some words here", field_7: null, field_90: "x" }),
  ],
  ["free string of 2000", { schema: { type: "string", maxLength: 2000 } }, JSON.stringify("many words ".repeat(60))],
  ["regex", { regex: "(\\w+@\\w+\\.(com|org)[ ,]*)+" }, "ada@home.com, bob@work.org, eve@else.com"],
  [
    "tool call",
    { lark: 'start: "<tool_call>\\n{\\"name\\": \\"f\\", \\"arguments\\": " @args "}\\n</tool_call>"' },
    `<tool_call>\n{"name": "f", "arguments": ${JSON.stringify(people)}}\n</tool_call>`,
  ],
]

const vocabulary = createBenchVocabulary(Number(values.vocabulary))
try {
  const words = Math.ceil(vocabulary.size / 32)
  const mask = new Int32Array(words)
  const ends = Int32Array.of(vocabulary.end)
  const grammars = new Grammars(vocabulary.path, ends, vocabulary.size)

  async function open(part: object) {
    const parts = [
      { name: "main", ...part },
      { name: "args", schema: person },
    ]
    const begun = performance.now()
    const rule = JSON.stringify({ grammars: parts, isWhole: true })
    const constraint = grammars.open(rule, ends, 0, new Int32Array(0))
    while (constraint.status === "compiling") await new Promise((resolve) => setImmediate(resolve))
    if (constraint.status === "failed") throw new Error(constraint.error)
    return { constraint, compileMs: performance.now() - begun }
  }

  const { compileMs: loadMs } = await open({ lark: 'start: "a"' })
  const all: number[] = []
  const rows: Record<string, string | number>[] = []
  for (const [name, part, text] of KINDS) {
    const us: number[] = []
    let compileMs = 0
    for (let round = 0; round < Number(values.rounds); round++) {
      const { constraint, compileMs: took } = await open(part)
      if (round === 0) compileMs = took
      constraint.mask(mask, 0)
      for (const id of vocabulary.encode(text)) {
        const begun = performance.now()
        constraint.advance(id)
        const kind = constraint.mask(mask, 0)
        us.push((performance.now() - begun) * 1000)
        if (kind === 3) throw new Error(`${name}: ${constraint.error}`)
      }
      constraint.close()
    }
    all.push(...us)
    rows.push({ kind: name, tokens: us.length, compileMs, ...shares(us) })
  }
  rows.push({ kind: "all", tokens: all.length, compileMs: "", ...shares(all) })
  process.stdout.write(`vocabulary ${vocabulary.size}, reading it ${Math.round(loadMs)} ms; microseconds a mask\n`)
  table(rows)
  finish("mask", { vocabulary: vocabulary.size, loadMs, kinds: rows })
} finally {
  vocabulary.close()
}

function shares(us: readonly number[]): Record<string, number> {
  return { p50: percentile(us, 0.5), p99: percentile(us, 0.99), max: Math.max(...us) }
}
