// The grammar of calls whose arguments stand between tags, one pair a parameter, in the order of the schema. A parameter
// that may be a string is free text up to its closing tag; a list of strings, or another type, is enforced.

import type { CallGrammar, CallGrammarOptions, SchemaSlot } from "./call-grammar.ts"
import { callLiteral } from "./call-literal.ts"

export interface TaggedSyntax {
  readonly begin: string
  readonly head: (name: string) => string
  /** `isText`: the value is written as it is, not as JSON. */
  readonly open: (parameter: string, isText: boolean) => string
  readonly close: string
  readonly tail: string
  readonly between: string
  readonly end: string
  /** Every value is JSON, strings too. */
  readonly isJson?: true
}

/** Where references in a tool's schema lead. */
const SHARED = ["$defs", "definitions"]

export function taggedCalls(syntax: TaggedSyntax, { tools, several, controls }: CallGrammarOptions): CallGrammar {
  const text = (plain: string): string => callLiteral(plain, controls)
  const rules: string[] = []
  const schemas: SchemaSlot[] = []

  tools.forEach(({ name, schema, isStrict }, i) => {
    const properties = Object.entries(member(schema, "properties") ?? {})
    const required = member(schema, "required")
    const parameters = properties.map(([parameter, own], k) => {
      const rule = `arg_${i}_${k}`
      const isText = isPlainText(own)
      rules.push(`${rule}: ${text(syntax.open(parameter, isText))} ${value(`${rule}_value`, own, schema, isStrict)}`)
      return Array.isArray(required) && required.includes(parameter) ? rule : `${rule}?`
    })
    rules.push(`call_${i}: ${[text(syntax.head(name)), ...parameters, text(syntax.tail)].join(" ")}`)
  })

  function isPlainText(own: unknown): boolean {
    return syntax.isJson !== true && (stringEnum(own) !== null || mayBeText(own))
  }

  function value(rule: string, own: unknown, root: object, isStrict: boolean): string {
    const words = syntax.isJson ? null : stringEnum(own)
    if (words !== null) return `(${words.map((word) => text(word)).join(" | ")}) ${text(syntax.close)}`
    if (!isPlainText(own)) {
      const shared = SHARED.flatMap((key) => (member(root, key) === undefined ? [] : [[key, member(root, key)]]))
      schemas.push({ name: rule, schema: { ...Object.fromEntries(shared), ...asObject(own) }, isStrict })
      return `@${rule} ${text(syntax.close)}`
    }
    const close = text(syntax.close)
    // A control token ends a text by itself.
    if (close.startsWith("<[")) {
      rules.push(`${rule}: /(.|\\n)*/`)
      return `${rule} ${close}`
    }
    rules.push(`${rule}[lazy]: /(.|\\n)*${pattern(syntax.close)}/`)
    return rule
  }

  const more = several ? ` (${text(syntax.between)} call)*` : ""
  return {
    lark: [
      `calls: ${text(syntax.begin)} call${more} ${text(syntax.end)}`,
      `call: ${tools.map((_, i) => `call_${i}`).join(" | ")}`,
      ...rules,
    ].join("\n"),
    schemas,
  }
}

function pattern(plain: string): string {
  return plain.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`).replaceAll("\n", String.raw`\n`)
}

function asObject(value: unknown): object {
  return typeof value === "object" && value !== null ? value : {}
}

function member(value: unknown, name: string): unknown {
  return Object.getOwnPropertyDescriptor(asObject(value), name)?.value
}

/** The values of a schema that allows nothing but some strings. */
function stringEnum(schema: unknown): readonly string[] | null {
  const words: unknown =
    member(schema, "enum") ?? (member(schema, "const") === undefined ? [] : [member(schema, "const")])
  if (!Array.isArray(words) || words.length === 0) return null
  const strings = words.filter((word) => typeof word === "string")
  return strings.length === words.length ? strings : null
}

/** Whether a string may come; what does not say is one. */
function mayBeText(schema: unknown): boolean {
  const type: unknown = member(schema, "type")
  if (type !== undefined) return Array.isArray(type) ? type.includes("string") : type === "string"
  const options: unknown = member(schema, "anyOf") ?? member(schema, "oneOf")
  if (Array.isArray(options)) return options.some(mayBeText)
  return !["enum", "const", "$ref", "properties", "items"].some((key) => member(schema, key) !== undefined)
}
