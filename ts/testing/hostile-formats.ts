// Requests whose answer format cannot be served: too deep, too large, without meaning, or costly to compile. With the
// field that the refusal names.

type HostileFormat = readonly [name: string, fields: object, param: string]

export function hostileFormats(): HostileFormat[] {
  const strict = (schema: object): object => ({
    response_format: { type: "json_schema", json_schema: { name: "x", schema, strict: true } },
  })
  const at = (...path: string[]): string => ["response_format.json_schema.schema", ...path].join(".")
  let deep: object = { type: "string" }
  for (let i = 0; i < 100; i++) deep = { type: "array", items: deep }
  const wide = { enum: Array.from({ length: 30_000 }, (_, i) => i) }
  const forks = Array.from({ length: 300 }, (_, i) => ({
    anyOf: [{ properties: { [`a${i}`]: { type: "string" } } }, { properties: { [`b${i}`]: { type: "number" } } }],
  }))
  const brackets = "(".repeat(30_000)
  return [
    ["nests too deep", { json_schema: deep }, "json_schema"],
    ["holds too many values", { json_schema: wide }, "json_schema"],
    ["is too long", { json_schema: { const: "x".repeat(300_000) } }, "json_schema"],
    ["multiplies", strict({ allOf: forks }), at()],
    ["an unknown type", strict({ properties: { a: { type: "no-such" } } }), at("properties", "a", "type")],
    ["a reference to nothing", strict({ properties: { a: { $ref: "#/$defs/b" } } }), at("properties", "a", "$ref")],
    ["a reference to elsewhere", strict({ $ref: "http://127.0.0.1:1/x.json" }), at("$ref")],
    ["a keyword that cannot be enforced", strict({ type: "array", items: { not: {} } }), at("items", "not")],
    ["a pattern that is none", strict({ type: "string", pattern: "(" }), at("pattern")],
    ["a pattern with look-ahead", strict({ type: "string", pattern: "(?=a)b" }), at("pattern")],
    ["bounds that exclude all", strict({ type: "string", minLength: 5, maxLength: 1 }), at("minLength")],
    ["a regex with look-behind", { regex: "(?<=a)b" }, "regex"],
    ["a regex of brackets", { regex: brackets }, "regex"],
    ["a regex that is too long", { regex: "a".repeat(100_000) }, "regex"],
    ["a grammar of brackets", { grammar: `start: ${brackets}` }, "grammar"],
    ["a grammar without a start", { grammar: 'begin: "a"' }, "grammar"],
    ["a grammar with an unknown name", { grammar: "start: nothing" }, "grammar"],
    ["a grammar that refers outside", { grammar: "%import elsewhere.NAME\nstart: NAME" }, "grammar"],
    ["too many choices", { choice: Array.from({ length: 5_000 }, (_, i) => `c${i}`) }, "choice"],
    ["an empty choice", { guided_choice: [""] }, "guided_choice.0"],
    ["text that is no schema", { guided_json: "{" }, "guided_json"],
    ["two at once", { regex: "a", grammar: 'start: "a"' }, "grammar"],
    ["a call of a tool that is not there", { tool_choice: "required" }, "tool_choice"],
  ]
}
