import t from "tap"
import { checkSchemaBounds, offendingPath } from "./schema-check.ts"

/** A compiler that knows no `not` and no negative minimum, and reads definitions that are referred to. */
function compiles(schema: object): boolean {
  const own = Object.fromEntries(Object.entries(schema).filter(([key]) => key !== "$defs"))
  const isReferring = JSON.stringify(own).includes('"$ref"')
  return !/"not"|"minimum":-/.test(JSON.stringify(isReferring ? schema : own))
}

t.test("the path leads to the keyword that cannot be compiled", async (t) => {
  const bad = { type: "integer", minimum: -1 }
  for (const [schema, path] of [
    [{ not: {} }, "not"],
    [{ type: "object", properties: { a: { type: "string" }, b: bad } }, "properties.b.minimum"],
    [{ type: "array", items: { anyOf: [{ type: "null" }, { allOf: [bad] }] } }, "items.anyOf.1.allOf.0.minimum"],
    [{ type: "array", prefixItems: [{}, bad] }, "prefixItems.1.minimum"],
    [{ $ref: "#/$defs/x", $defs: { x: bad } }, "$defs.x.minimum"],
    [{ patternProperties: { "^a": bad } }, "patternProperties.^a.minimum"],
    [{ additionalProperties: bad }, "additionalProperties.minimum"],
  ] as const)
    t.equal(offendingPath(schema, compiles), path)
})

t.test("tries are bounded", async (t) => {
  let tries = 0
  const properties = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`p${i}`, { type: "string" }]))
  offendingPath({ type: "object", properties }, () => ++tries < 0)
  t.ok(tries <= 101)
})

t.test("a schema beyond a bound is refused by the field's name", async (t) => {
  let deep: object = {}
  for (let i = 0; i < 70; i++) deep = { items: deep }
  for (const schema of [deep, { enum: Array.from({ length: 30_000 }) }, { const: "x".repeat(300_000) }, [], "x", null])
    t.throws(() => checkSchemaBounds(schema, "guided_json"), { code: "invalid_request", param: "guided_json" })
  t.doesNotThrow(() => checkSchemaBounds({ type: "object" }, "guided_json"))
})
