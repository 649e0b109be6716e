// Reads numbers and flags out of a JSON object that nobody has checked yet: finite, bounded, or an error that names the
// file, the field and the value. Knows no field by name.

import { EngineError } from "../errors.ts"

export interface NumberBounds {
  readonly least: number
  readonly most: number
}

export type JsonObject = Readonly<Record<string, unknown>>

export interface ConfigFields {
  readonly object: JsonObject
  has(name: string): boolean
  /** A whole number. Without a fallback an absent field is an error. */
  integer(name: string, bounds: NumberBounds, fallback?: number): number
  number(name: string, bounds: NumberBounds, fallback?: number): number
  flag(name: string, fallback: boolean): boolean
  text(name: string, fallback?: string): string
  /** Error of a field that holds something else than `expected`. */
  wrong(name: string, expected: string): EngineError
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

/** null counts as absent, as in config.json. `source` is the file's name, for errors. */
export function configFields(object: JsonObject, source: string): ConfigFields {
  const value = (name: string): unknown => (Object.hasOwn(object, name) ? object[name] : undefined) ?? undefined

  function wrong(name: string, expected: string): EngineError {
    const found = value(name)
    const shown = found === undefined ? "is missing" : `is ${JSON.stringify(found)?.slice(0, 80) ?? typeof found}`
    return new EngineError("model_unreadable", `${source}: "${name}" ${shown}; expected ${expected}.`)
  }

  function number(name: string, { least, most }: NumberBounds, fallback?: number, whole = false): number {
    const found = value(name)
    if (found === undefined && fallback !== undefined) return fallback
    const fits = typeof found === "number" && found >= least && found <= most && (!whole || Number.isSafeInteger(found))
    if (!fits) throw wrong(name, `${whole ? "a whole number" : "a number"} from ${least} to ${most}`)
    return found
  }

  return {
    object,
    has: (name) => value(name) !== undefined,
    integer: (name, bounds, fallback) => number(name, bounds, fallback, true),
    number: (name, bounds, fallback) => number(name, bounds, fallback),
    flag(name, fallback) {
      const found = value(name) ?? fallback
      if (typeof found !== "boolean") throw wrong(name, "true or false")
      return found
    },
    text(name, fallback) {
      const found = value(name) ?? fallback
      if (typeof found !== "string") throw wrong(name, "a text")
      return found
    },
    wrong,
  }
}

/** A token id or a list of them; [] when absent. */
export function tokenIds(fields: ConfigFields, name: string): readonly number[] {
  if (!fields.has(name)) return []
  const found = fields.object[name]
  const ids: readonly unknown[] = Array.isArray(found) ? found : [found]
  return ids.map((id) => {
    if (typeof id !== "number" || !Number.isSafeInteger(id) || id < 0 || id >= CONFIG_BOUNDS.vocabulary.most)
      throw fields.wrong(name, "token ids")
    return id
  })
}

/** What a number of a model's configuration may be: wide of every model known, and far from what overflows. */
export const CONFIG_BOUNDS = {
  hidden: { least: 1, most: 1 << 17 },
  layers: { least: 1, most: 1024 },
  heads: { least: 1, most: 4096 },
  headDim: { least: 1, most: 4096 },
  intermediate: { least: 1, most: 1 << 20 },
  vocabulary: { least: 1, most: 1 << 22 },
  context: { least: 1, most: 1 << 26 },
  experts: { least: 0, most: 4096 },
  layerStep: { least: 1, most: 1024 },
  eps: { least: 1e-12, most: 1 },
  ropeTheta: { least: 1, most: 1e12 },
  ropeFactor: { least: 1e-3, most: 1e6 },
} as const satisfies Record<string, NumberBounds>
