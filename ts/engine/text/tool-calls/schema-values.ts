// Turns the texts of XML-like tool calls into JSON values of the types that the tool's schema names. Knows no format.

import type { ToolDefinition } from "../../generation.ts"

/** The schema of one parameter; undefined where the tool does not describe it. */
export function parameterSchema(tools: readonly ToolDefinition[], tool: string, parameter: string): unknown {
  const schema = tools.find((known) => known.name === tool)?.parameters
  return member(member(schema, "properties"), parameter)
}

/** Names of a tool's parameters, in the order of its schema. */
export function parameterNames(tools: readonly ToolDefinition[], tool: string): readonly string[] {
  const properties = member(tools.find((known) => known.name === tool)?.parameters, "properties")
  return typeof properties === "object" && properties !== null ? Object.keys(properties) : []
}

export function memberSchema(schema: unknown, name: string): unknown {
  return member(member(schema, "properties"), name)
}

export function itemSchema(schema: unknown): unknown {
  return member(schema, "items")
}

/** JSON text of a string that was written as one: another type only where the schema wants no string. */
export function quotedValue(text: string, schema: unknown): string {
  const types = schemaTypes(schema)
  return types.size === 0 || types.has("string") ? JSON.stringify(text) : valueText(text, schema)
}

/** Whether a list or an object is wanted, and no string. */
export function wantsCollection(schema: unknown): boolean {
  const types = schemaTypes(schema)
  return (types.has("array") || types.has("object")) && !types.has("string")
}

/** Whether a text is JSON. */
export function isJson(text: string): boolean {
  return parsed(text) !== undefined
}

/** The text itself where it is JSON, otherwise a JSON string of it. */
export function jsonOrText(text: string): string {
  return parsed(text.trim()) === undefined ? JSON.stringify(text) : text.trim()
}

/** JSON text of what was written without the marks of a string: one only where the schema wants nothing else. */
export function bareValue(text: string, schema: unknown): string {
  const type = typeOf(parsed(text))
  const types = schemaTypes(schema)
  const isWanted = type !== null && (types.has(type) || (type === "integer" && types.has("number")))
  return isWanted && type !== "string" ? text : valueText(text, schema)
}

/** JSON text of `text` as the schema wants it; what does not fit its type stays a text. */
export function valueText(text: string, schema: unknown): string {
  const types = schemaTypes(schema)
  const trimmed = text.trim()
  if (types.size > 0 && types.has("string")) {
    if (types.has("null") && trimmed === "null") return "null"
    return JSON.stringify(text)
  }
  const value = parsed(trimmed)
  const type = typeOf(value)
  if (types.size === 0) return type === null || type === "string" ? JSON.stringify(text) : trimmed
  if (type !== null && (types.has(type) || (type === "integer" && types.has("number")))) return trimmed
  if (types.has("boolean") && /^(true|false)$/i.test(trimmed)) return trimmed.toLowerCase()
  if (types.has("null") && /^(null|none)$/i.test(trimmed)) return "null"
  if (types.has("integer") && type === "number" && Number.isInteger(value)) return String(value)
  return JSON.stringify(text)
}

/** Names of the types that a schema allows, through anyOf, oneOf and enum. */
function schemaTypes(schema: unknown): ReadonlySet<string> {
  const types = new Set<string>()
  const type = member(schema, "type")
  for (const name of Array.isArray(type) ? type : [type]) if (typeof name === "string") types.add(name)
  for (const key of ["anyOf", "oneOf", "allOf"]) {
    const options = member(schema, key)
    if (Array.isArray(options)) for (const option of options) for (const name of schemaTypes(option)) types.add(name)
  }
  const listed = member(schema, "enum")
  if (types.size === 0 && Array.isArray(listed)) for (const value of listed) types.add(typeOf(value) ?? "string")
  return types
}

function typeOf(value: unknown): string | null {
  if (value === undefined) return null
  if (value === null) return "null"
  if (Array.isArray(value)) return "array"
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number"
  return typeof value
}

function member(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined
  return Object.entries(value).find(([key]) => key === name)?.[1]
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
