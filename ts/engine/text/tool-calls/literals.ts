// Turns the literals of calls that look like source text, f(a='x', b=[1, True]) or call:f{a:<escape>x<escape>}, into JSON
// text. Knows no stream: what it is given is whole.

import { bareValue, itemSchema, memberSchema, quotedValue, valueText } from "./schema-values.ts"

export interface LiteralDialect {
  /** Delimiters of strings, longer ones before those they begin with. */
  readonly quotes: readonly string[]
  /** Whether a backslash in a string escapes. */
  readonly escapes: boolean
}

export const PYTHON: LiteralDialect = { quotes: ['"""', "'''", '"', "'"], escapes: true }

/** Deeper nesting is read as text. */
const DEEPEST = 64
const CLOSING: Readonly<Record<string, string>> = { "[": "]", "(": ")", "{": "}" }
const WORDS: Readonly<Record<string, string>> = { True: "true", False: "false", None: "null" }
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", b: "\b", f: "\f", "\n": "" }

/** What cannot be read becomes a JSON string of the text itself. */
export function literalJson(text: string, schema: unknown, dialect: LiteralDialect): string {
  const cursor = createCursor(text, dialect)
  const value = cursor.value(schema, 0)
  return value !== null && cursor.isAtEnd() ? value : valueText(text.trim(), schema)
}

interface Cursor {
  /** JSON text; null: no value stands here. */
  value(schema: unknown, depth: number): string | null
  isAtEnd(): boolean
}

function createCursor(text: string, dialect: LiteralDialect): Cursor {
  let at = 0

  function skipSpace(): void {
    while (at < text.length && /\s/.test(text[at] ?? "")) at++
  }

  function quoted(): string | null {
    const quote = dialect.quotes.find((known) => text.startsWith(known, at))
    if (quote === undefined) return null
    const from = at
    at += quote.length
    let out = ""
    while (at < text.length) {
      if (text.startsWith(quote, at)) {
        at += quote.length
        return out
      }
      if (dialect.escapes && text[at] === "\\") out += escape()
      else out += text[at++]
    }
    at = from
    return null
  }

  function escape(): string {
    const hex = /^\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4}))/.exec(text.slice(at, at + 6))
    if (hex !== null) {
      at += hex[0].length
      return String.fromCharCode(Number.parseInt(hex[1] ?? hex[2] ?? "0", 16))
    }
    const char = text[at + 1] ?? ""
    at += 2
    return ESCAPES[char] ?? ("\\'\"".includes(char) ? char : `\\${char}`)
  }

  function word(stops: string): string {
    const from = at
    while (at < text.length && !stops.includes(text[at] ?? "")) at++
    return text.slice(from, at).trim()
  }

  function key(): string | null {
    const name = quoted() ?? word(":,}")
    skipSpace()
    if (text[at] !== ":") return null
    at++
    return name
  }

  function entry(closing: string, schema: unknown, depth: number): string | null {
    if (closing !== "}") return value(itemSchema(schema), depth)
    const name = key()
    const json = name === null ? null : value(memberSchema(schema, name), depth)
    return json === null ? null : `${JSON.stringify(name)}: ${json}`
  }

  function collection(opening: string, closing: string, schema: unknown, depth: number): string | null {
    at++
    const entries: string[] = []
    for (;;) {
      skipSpace()
      if (text[at] === closing) break
      const next = entry(closing, schema, depth)
      if (next === null) return null
      entries.push(next)
      skipSpace()
      if (text[at] === ",") at++
      else if (text[at] !== closing) return null
    }
    at++
    return opening === "{" ? `{${entries.join(", ")}}` : `[${entries.join(", ")}]`
  }

  function value(schema: unknown, depth: number): string | null {
    skipSpace()
    if (depth > DEEPEST) return null
    const opening = text[at] ?? ""
    const closing = CLOSING[opening]
    if (closing !== undefined) return collection(opening, closing, schema, depth + 1)
    const string = quoted()
    if (string !== null) return quotedValue(string, schema)
    const found = word(",]})")
    return found === "" ? null : bareValue(WORDS[found] ?? found, schema)
  }

  return {
    value,
    isAtEnd() {
      skipSpace()
      return at >= text.length
    },
  }
}
