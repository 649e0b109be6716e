// Bounds of a JSON Schema, and which of its keywords cannot be compiled. Knows no grammar: it is given a way to try.

import { EngineError } from "../errors.ts"

/** Values inside each other. */
const DEEPEST = 64
/** Values in all. */
const MOST_VALUES = 20_000
/** Characters of its JSON text. */
const MOST_CHARACTERS = 256 * 1024
/** Tries to find the keyword at fault. */
const MOST_TRIES = 100

/** Keywords that hold a schema, a list of schemas, or an object of schemas. */
const ONE = [
  "items",
  "additionalProperties",
  "additionalItems",
  "not",
  "contains",
  "if",
  "then",
  "else",
  "propertyNames",
]
const LIST = ["anyOf", "oneOf", "allOf", "prefixItems", "items"]
const NAMED = ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"]
const SHARED = ["$defs", "definitions"]

/** Throws invalid_request where a schema is too large to look at. */
export function checkSchemaBounds(schema: unknown, param: string): void {
  let values = 0
  const refuse = (what: string): never => {
    throw new EngineError("invalid_request", `The schema at '${param}' ${what}.`, { param })
  }
  const walk = (value: unknown, depth: number): void => {
    if (depth > DEEPEST) refuse(`nests deeper than ${DEEPEST}`)
    if (++values > MOST_VALUES) refuse(`holds more than ${MOST_VALUES} values`)
    if (typeof value === "object" && value !== null) for (const inner of Object.values(value)) walk(inner, depth + 1)
  }
  walk(schema, 0)
  if (JSON.stringify(schema ?? null).length > MOST_CHARACTERS) refuse(`is longer than ${MOST_CHARACTERS} characters`)
  if (typeof schema !== "object" || schema === null || Array.isArray(schema)) refuse("is not an object")
}

/**
 * Where the keyword stands that keeps a schema from being compiled: its keys, "" joined by dots. `compiles`: whether a
 * schema does. The deepest part that fails alone is meant, and in it the keyword without which it would not.
 */
export function offendingPath(schema: unknown, compiles: (schema: object) => boolean): string {
  let tries = 0
  const root = objectOf(schema) ?? {}
  const shared = Object.fromEntries(SHARED.flatMap((key) => (key in root ? [[key, Reflect.get(root, key)]] : [])))

  function fails(part: object): boolean {
    tries++
    return !compiles({ ...shared, ...part })
  }

  function find(part: object, path: readonly string[]): readonly string[] {
    for (const [key, inner] of partsOf(part)) {
      if (tries >= MOST_TRIES) return path
      if (fails(inner)) return find(inner, [...path, ...key])
    }
    // Without a type, many others say nothing: it is tried last.
    for (const key of Object.keys(part).toSorted((a, b) => Number(a === "type") - Number(b === "type"))) {
      if (tries >= MOST_TRIES) return path
      const rest = Object.fromEntries(Object.entries(part).filter(([other]) => other !== key))
      if (!SHARED.includes(key) && !fails(rest)) return [...path, key]
    }
    return path
  }

  return find(root, []).join(".")
}

/** The schemas inside a schema with the keys that lead to them. */
function* partsOf(schema: object): Generator<[keys: readonly string[], part: object]> {
  for (const [key, value] of Object.entries(schema)) {
    const own = objectOf(value)
    if (ONE.includes(key) && own !== null) yield [[key], own]
    if (LIST.includes(key) && Array.isArray(value))
      for (const [index, inner] of value.entries()) {
        const part = objectOf(inner)
        if (part !== null) yield [[key, String(index)], part]
      }
    if (NAMED.includes(key) && own !== null)
      for (const [name, inner] of Object.entries(own)) {
        const part = objectOf(inner)
        if (part !== null) yield [[key, name], part]
      }
  }
}

function objectOf(value: unknown): object | null {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : null
}
