// Names inside a request that its schema does not know, so that none is dropped in silence. Knows no field by name.

import type { TSchema } from "typebox"

/** A schema as plain JSON, as far as this file looks. */
interface Node {
  readonly type?: unknown
  readonly properties?: Readonly<Record<string, Node>>
  readonly items?: Node
  readonly anyOf?: readonly Node[]
}

/**
 * Paths below the top level, without the places in lists: "messages.cache_control". Each once, at most `most`. An object
 * whose schema names no property is the client's own, such as a tool's parameters.
 */
export function unknownFields(schema: TSchema, value: object, most: number): readonly string[] {
  const found = new Set<string>()
  const properties = (schema as Node).properties ?? {} // typebox schemas are JSON schemas
  for (const [name, inner] of Object.entries(value)) {
    const known = Object.hasOwn(properties, name) ? properties[name] : undefined
    if (known !== undefined) search(known, inner, name, (path) => found.size < most && found.add(path))
  }
  return [...found]
}

function search(node: Node, value: unknown, path: string, report: (path: string) => void): void {
  const shapes = shapesFor(node, value)
  if (shapes.length === 0 || typeof value !== "object" || value === null) return
  if (Array.isArray(value)) {
    const [shape] = shapes
    if (shape?.items !== undefined) for (const item of value) search(shape.items, item, path, report)
    return
  }
  if (shapes.some(({ properties }) => Object.keys(properties ?? {}).length === 0)) return
  for (const [name, inner] of Object.entries(value)) {
    // Of several shapes, any may know it.
    const knowing = shapes.flatMap(({ properties = {} }) => (Object.hasOwn(properties, name) ? [properties[name]] : []))
    const [first] = knowing
    if (first === undefined) report(`${path}.${name}`)
    else
      search(
        knowing.length === 1 ? first : { anyOf: knowing.filter((one) => one !== undefined) },
        inner,
        `${path}.${name}`,
        report,
      )
  }
}

/** The branches of a union that can mean this value. */
function shapesFor(node: Node, value: unknown): readonly Node[] {
  if (node.anyOf !== undefined) return node.anyOf.flatMap((branch) => shapesFor(branch, value))
  return node.type === (Array.isArray(value) ? "array" : "object") ? [node] : []
}
