// The grammar of calls that look like source text with bare keys and marked strings, call:f{a:<|"|>x<|"|>,n:1}, from the
// tools' schemas. Members come in the order of the schema. Knows no token.

import { EngineError } from "../../errors.ts"
import type { CallGrammar, CallGrammarOptions, GrammarTool, SchemaSlot } from "./call-grammar.ts"
import { callLiteral } from "./call-literal.ts"
import { itemSchema, memberSchema } from "./schema-values.ts"
import { textPattern } from "./text-pattern.ts"

export interface LiteralFrame {
  readonly begin: string
  readonly end: string
  /** On both sides of a string. */
  readonly quote: string
}

/** Keywords of each type that the grammar holds. */
const HELD: Readonly<Record<string, readonly string[]>> = {
  object: ["properties", "required", "additionalProperties"],
  array: ["items", "minItems", "maxItems"],
  string: ["minLength", "maxLength", "pattern"],
  integer: ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"],
  number: ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"],
  boolean: [],
  null: [],
}
/** Those that hold nothing, or are looked at before the type. */
const SILENT = [
  ..."type enum const anyOf oneOf allOf $ref $defs definitions $schema $id $comment title description".split(" "),
  ..."default examples deprecated readOnly writeOnly".split(" "),
]
/** A bare key, as the readers of these formats take it. */
const KEY = "[A-Za-z_][A-Za-z0-9_.-]*"
const SCALARS = ["number", "boolean", "null"]

/** Throws invalid_request with the path of a keyword that a strict tool asks for and that cannot be enforced. */
export function literalCalls(frame: LiteralFrame, options: CallGrammarOptions): CallGrammar {
  const { tools, several, controls } = options
  const text = (plain: string): string => callLiteral(plain, controls)
  const rules = new Map<string, string>()
  const schemas: SchemaSlot[] = []
  const slots = new Map<string, string>()
  let count = 0

  function rule(body: string): string {
    const name = `v_${count++}`
    rules.set(name, body)
    return name
  }

  function slot(schema: object): string {
    const key = JSON.stringify(schema)
    const name = slots.get(key) ?? `scalar_${slots.size}`
    if (!slots.has(key)) schemas.push({ name, schema, isStrict: true })
    slots.set(key, name)
    return `@${name}`
  }

  /** Texts that match `shape`, a regex, and hold no closing mark. */
  function string(shapes: readonly string[]): string {
    const any = "(.|\\n)*"
    const close = text(frame.quote)
    const isControl = close.startsWith("<[")
    const mark = escaped(frame.quote)
    const tail = isControl ? "" : mark
    const all = shapes.length === 0 ? [any] : shapes
    const parts = [...all.map((shape) => `/(${shape})${tail}/`), `~/${any}${mark}${isControl ? any : "(.|\\n)+"}/`]
    const name = `T_${count++}`
    rules.set(name, parts.join(" & "))
    if (isControl) return `${close} ${name} ${close}`
    const value = `v_${count++}`
    rules.set(`${value}[lazy]`, name)
    return `${close} ${value}`
  }

  /** The value as it is, for enum and const. */
  function literal(value: unknown): string {
    const write = (one: unknown): string => {
      if (typeof one === "string") return frame.quote + one + frame.quote
      if (Array.isArray(one)) return `[${one.map(write).join(",")}]`
      if (typeof one !== "object" || one === null) return JSON.stringify(one)
      return `{${Object.entries(one)
        .map(([key, inner]) => `${key}:${write(inner)}`)
        .join(",")}}`
    }
    return text(write(value))
  }

  let anything: string | null = null
  function anyValue(): string {
    if (anything !== null) return anything
    anything = rule("")
    const members = `/${KEY}/ ":" ${anything}`
    rules.set(
      anything,
      [
        string([]),
        slot({ type: SCALARS }),
        `"{" (${members} ("," ${members})*)? "}"`,
        `"[" (${anything} ("," ${anything})*)? "]"`,
      ].join(" | "),
    )
    return anything
  }

  tools.forEach((tool, index) => rules.set(`call_${index}`, call(tool)))

  function call({ name, schema, isStrict, param }: GrammarTool): string {
    const references = new Map<string, string>()

    function refuse(path: readonly string[], keyword: string): void {
      if (!isStrict) return
      const at = [param, ...path, keyword].join(".")
      throw new EngineError("invalid_request", `Calls in this model's format cannot be held to '${at}'.`, { param: at })
    }

    function reference(to: string, path: readonly string[]): string {
      const known = references.get(to)
      if (known !== undefined) return known
      const target = to.startsWith("#")
        ? to
            .slice(1)
            .split("/")
            .slice(1)
            .reduce<unknown>((at, key) => field(at, key.replaceAll("~1", "/").replaceAll("~0", "~")), schema)
        : undefined
      if (target === undefined) {
        refuse(path, "$ref")
        return anyValue()
      }
      const own = rule("")
      references.set(to, own)
      rules.set(own, value(target, path))
      return own
    }

    function value(own: unknown, path: readonly string[]): string {
      const to = field(own, "$ref")
      if (typeof to === "string") return reference(to, path)
      const constant = field(own, "const")
      const listed = constant === undefined ? field(own, "enum") : [constant]
      if (Array.isArray(listed)) return `(${listed.map(literal).join(" | ")})`
      for (const key of ["anyOf", "oneOf", "allOf"]) {
        const options = field(own, key)
        if (!Array.isArray(options) || options.length === 0) continue
        const beside = Object.keys(Object(own)).find((other) => other !== key && !SILENT.includes(other))
        if (beside !== undefined) refuse(path, beside)
        if (key === "allOf" && options.length > 1) refuse(path, key)
        const wanted = key === "allOf" ? options.slice(0, 1) : options
        return `(${wanted.map((option, i) => value(option, [...path, key, String(i)])).join(" | ")})`
      }
      const types = typesOf(own)
      const held = new Set([...SILENT, ...types.flatMap((type) => HELD[type] ?? [])])
      const other = Object.keys(Object(own)).find((key) => !held.has(key) && !key.startsWith("x-"))
      if (other !== undefined && own !== null) refuse(path, other)
      if (types.length === 0) return anyValue()
      return `(${types.map((type) => typed(type, own, path)).join(" | ")})`
    }

    function typed(type: string, own: unknown, path: readonly string[]): string {
      if (type === "object") return `"{" ${members(own, path)} "}"`
      if (type === "array") {
        const items = itemSchema(own)
        const item = items === undefined ? anyValue() : rule(value(items, [...path, "items"]))
        const [least, most] = bounds(own, "minItems", "maxItems")
        if (most === 0) return '"[" "]"'
        const more = `("," ${item}){${Math.max(0, least - 1)},${most === null ? "" : most - 1}}`
        return `"[" ${least > 0 ? `${item} ${more}` : `(${item} ${more})?`} "]"`
      }
      if (type === "string") {
        const [least, most] = bounds(own, "minLength", "maxLength")
        const pattern = field(own, "pattern")
        const shape = typeof pattern === "string" ? textPattern(pattern) : undefined
        if (shape === null) refuse(path, "pattern")
        const isBound = least > 0 || most !== null
        return string([...(isBound ? [`(.|\\n){${least},${most ?? ""}}`] : []), ...(shape ? [shape] : [])])
      }
      const kept = (HELD[type] ?? []).flatMap((key) => {
        const limit = field(own, key)
        return limit === undefined ? [] : [[key, limit] as const]
      })
      return slot({ type, ...Object.fromEntries(kept) })
    }

    /** Members in the order of the schema; those that need not come may be left out. */
    function members(own: unknown, path: readonly string[]): string {
      const properties = field(own, "properties")
      const required = field(own, "required")
      const names = Object.keys(Object(properties)).filter((key) => new RegExp(`^${KEY}$`, "u").test(key))
      const isNeeded = (key: string): boolean => Array.isArray(required) && required.includes(key)
      const lost = Object.keys(Object(properties)).find((key) => !names.includes(key))
      if (lost !== undefined) refuse([...path, "properties"], lost)
      const additional = field(own, "additionalProperties")
      const isOpen = additional === undefined ? names.length === 0 : additional !== false
      const named = names.map((key) => {
        const inner = memberSchema(own, key)
        return rule(`${text(`${key}:`)} ${value(inner, [...path, "properties", key])}`)
      })
      const heads: string[] = []
      let rest = ""
      if (isOpen) {
        const key = `T_${count++}`
        rules.set(key, [`/${KEY}/`, ...(names.length > 0 ? [`~/(${names.map(escaped).join("|")})/`] : [])].join(" & "))
        const inner =
          typeof additional === "object" && additional !== null
            ? value(additional, [...path, "additionalProperties"])
            : anyValue()
        const extra = rule(`${key} ":" ${inner}`)
        rest = `("," ${extra})*`
        heads.push(`${extra} ${rest}`)
      }
      for (let i = names.length - 1; i >= 0; i--) {
        const [name, at] = [names[i] ?? "", named[i] ?? ""]
        if (isNeeded(name)) heads.length = 0
        heads.push(`${at} ${rest}`)
        const tail = `"," ${at}`
        rest = rule(isNeeded(name) ? `${tail} ${rest}` : `(${tail})? ${rest}`)
      }
      const body = heads.map((head) => head.trim()).join(" | ")
      return body === "" ? "" : names.some(isNeeded) ? `(${body})` : `(${body})?`
    }

    return `${text(`${frame.begin}call:${name}{`)} ${members(schema, [])} ${text(`}${frame.end}`)}`
  }

  return {
    lark: [
      `calls: call${several ? " call*" : ""}`,
      `call: ${tools.map((_, i) => `call_${i}`).join(" | ")}`,
      ...[...rules].map(([name, body]) => `${name}: ${body}`),
    ].join("\n"),
    schemas,
  }
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Object.getOwnPropertyDescriptor(value, name)?.value : undefined
}

function bounds(schema: unknown, least: string, most: string): readonly [least: number, most: number | null] {
  const [low, high] = [field(schema, least), field(schema, most)]
  return [typeof low === "number" ? low : 0, typeof high === "number" ? high : null]
}

/** None: any. Where a schema names no type, its keywords tell. */
function typesOf(schema: unknown): readonly string[] {
  const type = field(schema, "type")
  const named = Array.isArray(type) ? type : type === undefined ? [] : [type]
  const known = named.filter((name): name is string => typeof name === "string" && name in HELD)
  if (known.length > 0) return known
  const told = ["object", "array", "string"].find((name) => HELD[name]?.some((key) => field(schema, key) !== undefined))
  return told === undefined ? [] : [told]
}

function escaped(plain: string): string {
  return plain.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`)
}
