// Reads calls that are JSON objects, {"name": ..., "arguments": {...}}, one or several in a body, and passes arguments on
// while they are written. Mends what models get wrong and JSON has one meaning for: line breaks inside strings, commas
// before a closing bracket. Knows no markers.

import type { ToolDefinition } from "../../generation.ts"
import type { CallPart, CallReader } from "./format.ts"

/** The usual order: name, then arguments; anything else waits for the end of the body. */
const HEADER =
  /^[\s,[;]*\{\s*(?:"tool_call_id"\s*:\s*"[^"\\]*"\s*,\s*)?"(?:tool_)?name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"(?:arguments|parameters)"\s*:\s*(?=\{)/
/** A body that begins so is no call: no object, or an object whose first member no call has. */
const NO_CALL =
  /^[\s,[;]*(?:[^\s,[;{]|\{\s*(?:[^\s"}]|"(?!(?:name|tool_name|tool_call_id|arguments|parameters|id|type)")[^"\\]*"))/
/** A header is shorter; a longer beginning is read at the end. */
const LONGEST_HEADER = 1024
/** What may stand after the last call of a body. */
const EMPTY_REST = /^[\s,;\]]*$/

interface ParsedCall {
  readonly name: string
  /** JSON text. */
  readonly arguments: string
  readonly id?: string
}

/** null: this is no call. */
function callFromJson(value: unknown): ParsedCall | null {
  if (typeof value !== "object" || value === null) return null
  const name = "name" in value ? value.name : "tool_name" in value ? value.tool_name : null
  if (typeof name !== "string") return null
  const given = "arguments" in value ? value.arguments : "parameters" in value ? value.parameters : {}
  if (typeof given === "string") return isObjectText(given) ? { name, arguments: given } : null
  if (given === null) return { name, arguments: "{}" }
  if (typeof given !== "object" || Array.isArray(given)) return null
  return { name, arguments: JSON.stringify(given) }
}

function isObjectText(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === "object" && value !== null && !Array.isArray(value)
  } catch {
    return false
  }
}

export function knownNames(tools: readonly ToolDefinition[]): ReadonlySet<string> {
  return new Set(tools.map((tool) => tool.name))
}

function wholeCall(call: ParsedCall): readonly CallPart[] {
  return [
    { type: "start", name: call.name, ...(call.id !== undefined && { id: call.id }) },
    { type: "arguments", text: call.arguments },
    { type: "end" },
  ]
}

export function createJsonCallReader(tools: readonly ToolDefinition[]): CallReader {
  const names = knownNames(tools)
  /** Of the body, not yet understood. */
  let text = ""
  let state: "header" | "arguments" | "tail" = "header"
  let scanner = createObjectScanner()
  let hasBegun = false

  /** One step; false when more text is needed. */
  function step(parts: CallPart[]): boolean {
    if (state === "header") {
      const header = text.length > 0 ? HEADER.exec(text.slice(0, LONGEST_HEADER)) : null
      const name: unknown = header?.[1] === undefined ? null : parsed(header[1])
      if (header === null || typeof name !== "string" || !names.has(name)) return false
      parts.push({ type: "start", name })
      hasBegun = true
      text = text.slice(header[0].length)
      scanner = createObjectScanner()
      state = "arguments"
      return true
    }
    if (state === "arguments") {
      const rest = passObject(scanner, text, parts)
      text = rest ?? ""
      if (rest === null) return false
      state = "tail"
      return true
    }
    const close = /^\s*\}/.exec(text)
    if (close === null) return false
    text = text.slice(close[0].length)
    state = "header"
    return true
  }

  function push(more: string): readonly CallPart[] {
    text += more
    const parts: CallPart[] = []
    while (step(parts)) {}
    return !hasBegun && NO_CALL.test(text) ? [{ type: "reject", text }] : parts
  }

  return {
    push,
    end(isClosed) {
      if (state === "arguments" && isClosed) return endWithoutBrackets(scanner)
      if (state !== "header") return []
      if (EMPTY_REST.test(text)) return []
      const value = parsed(text.trim().replace(/[,;\]]*$/, (rest) => (text.trim().startsWith("[") ? rest : "")))
      const calls = (Array.isArray(value) ? value : [value]).map(callFromJson)
      const whole = calls.filter((call) => call !== null && names.has(call.name))
      if (whole.length !== calls.length || whole.length === 0) return [{ type: "reject", text }]
      return whole.flatMap((call) => (call === null ? [] : wholeCall(call)))
    },
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

interface ObjectScanner {
  /** `rest`: after the object, once it is done. */
  push(text: string): { readonly text: string; readonly done: boolean; readonly rest: string }
  /** The brackets that are missing; null: more than they is missing. */
  missing(): string | null
}

/** The end marker stands where brackets are missing: the call is whole with them. */
export function endWithoutBrackets(scanner: ObjectScanner): readonly CallPart[] {
  const missing = scanner.missing()
  return missing === null ? [] : [{ type: "arguments", text: missing }, { type: "end" }]
}

const CONTROL_ESCAPES: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }

/** Passes on what a text holds of an object. Gives what follows the object, or null while more of it is to come. */
export function passObject(scanner: ObjectScanner, text: string, parts: CallPart[]): string | null {
  const scanned = scanner.push(text)
  if (scanned.text !== "") parts.push({ type: "arguments", text: scanned.text })
  if (!scanned.done) return null
  parts.push({ type: "end" })
  return scanned.rest
}

/** Follows one JSON object to its closing brace. */
export function createObjectScanner(): ObjectScanner {
  /** Closing brackets of what is open. */
  const open: string[] = []
  let inString = false
  let escaped = false
  /** A comma and the space after it: final only when a value follows. */
  let comma = ""
  let last = ""

  return {
    push(text) {
      let out = ""
      for (let i = 0; i < text.length; i++) {
        const char = text[i] ?? ""
        if (inString) {
          out += CONTROL_ESCAPES[char] ?? char
          if (escaped) escaped = false
          else if (char === "\\") escaped = true
          else if (char === '"') inString = false
          continue
        }
        if (char === "," || (comma !== "" && /\s/.test(char))) {
          comma += char
          continue
        }
        const closes = char === "}" || char === "]"
        if (!closes) out += comma
        comma = ""
        out += char
        if (/\S/.test(char)) last = char
        if (char === '"') inString = true
        else if (char === "{" || char === "[") open.push(char === "{" ? "}" : "]")
        else if (closes) open.pop()
        if (closes && open.length === 0) return { text: out, done: true, rest: text.slice(i + 1) }
      }
      return { text: out, done: false, rest: "" }
    },
    missing: () => (inString || last === ":" ? null : open.toReversed().join("")),
  }
}
