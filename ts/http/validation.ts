// A value against a typebox schema, with one good message: the field by its path ("messages.0.role") and what it must
// be. Knows no field by name.

import type { Static, TSchema } from "typebox"
import { Compile } from "typebox/compile"
import { Settings } from "typebox/system"
import { HttpError } from "./error-response.ts"
import { LIMITS } from "./limits.ts"

// The library stops its list at 8 and may drop the field that matters behind the branches of a union.
Settings.Set({ maxErrors: LIMITS.validationErrors })

interface Fault {
  readonly keyword: string
  readonly instancePath: string
  readonly message: string
  readonly params: object
}

/** Throws HttpError invalid_type, invalid_value or missing_required_parameter. */
export function createValidator<T extends TSchema>(schema: T): (value: unknown) => Static<T> {
  const compiled = Compile(schema)
  return (value) => {
    if (compiled.Check(value)) return value
    throw explain(compiled.Errors(value), value)
  }
}

function explain(faults: readonly Fault[], value: unknown): HttpError {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return new HttpError("invalid_type", "The body must be a JSON object.")
  // The deepest fault is the nearest to the mistake: a union above it only says that no branch fits.
  const depth = (fault: Fault) => fault.instancePath.split("/").length
  const deepest = Math.max(...faults.map(depth))
  const first = faults.find((fault) => depth(fault) === deepest && !fault.keyword.endsWith("Of"))
  if (first === undefined) return new HttpError("invalid_value")
  const path = paramOf(first.instancePath)
  const here = faults.filter((fault) => fault.instancePath === first.instancePath && !fault.keyword.endsWith("Of"))

  const missing = here.find((fault) => fault.keyword === "required")
  if (missing !== undefined) {
    const name = firstOf(missing.params, "requiredProperties")
    const param = path === "" ? name : `${path}.${name}`
    return new HttpError("missing_required_parameter", `'${param}' is missing.`, { param })
  }
  // A value of a right type fails on its value; one of no right type on all types of its union.
  const actual = jsonType(at(value, first.instancePath))
  const others = here.filter((fault) => fault.keyword !== "type" && judges(fault, actual))
  const types = [...new Set(here.flatMap((fault) => typesOf(fault)))]
  if (others.length === 0 && types.length > 0)
    return new HttpError("invalid_type", `'${path}' must be ${joinWords(types)}, not ${actual}.`, { param: path })
  const constants = others.flatMap((fault) => constantsOf(fault))
  const text = constants.length > 0 ? `must be ${joinWords([...new Set(constants)])}` : (others.at(-1) ?? first).message
  return new HttpError("invalid_value", `'${path}' ${text}.`, { param: path })
}

/** "/messages/0/role" -> "messages.0.role". */
function paramOf(pointer: string): string {
  return pointer
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
    .join(".")
}

function at(value: unknown, pointer: string): unknown {
  let current = value
  for (const part of pointer.split("/").slice(1)) {
    if (typeof current !== "object" || current === null) return undefined
    const found = Object.getOwnPropertyDescriptor(current, part.replaceAll("~1", "/").replaceAll("~0", "~"))
    current = found?.value
  }
  return current
}

function jsonType(value: unknown): string {
  if (value === null) return "null"
  return Array.isArray(value) ? "array" : typeof value
}

/** Does a fault concern values of this JSON type? */
function judges({ keyword, params }: Fault, type: string): boolean {
  if (keyword === "const") return jsonType(property(params, "allowedValue")) === type
  if (keyword === "enum") return type === "string"
  if (/^(min|max)Length$|^pattern$/.test(keyword)) return type === "string"
  if (/inimum|aximum|multipleOf/.test(keyword)) return type === "number"
  if (keyword.endsWith("Items")) return type === "array"
  return type === "object"
}

function property(params: object, name: string): unknown {
  return Object.getOwnPropertyDescriptor(params, name)?.value
}

function firstOf(params: object, name: string): string {
  const list = property(params, name)
  return Array.isArray(list) ? String(list[0]) : ""
}

/** The types that a fault asks for. */
function typesOf({ keyword, params }: Fault): string[] {
  if (keyword === "type") return [String(property(params, "type"))]
  return keyword === "const" ? [jsonType(property(params, "allowedValue"))] : []
}

function constantsOf({ keyword, params }: Fault): string[] {
  if (keyword === "const") return [JSON.stringify(property(params, "allowedValue"))]
  const many = property(params, "allowedValues")
  return keyword === "enum" && Array.isArray(many) ? many.map((entry) => JSON.stringify(entry)) : []
}

function joinWords(words: readonly string[]): string {
  if (words.length <= 1) return words[0] ?? ""
  return `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`
}
