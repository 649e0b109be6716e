// What a hostile client may send to each route of an OpenAPI document: the routes and fields are the server's own list,
// so a new one is covered by being there.

export interface HostileCase {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array | null
}

interface Operation {
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: { readonly $ref?: string } }>> }
}

export interface RouteDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, { readonly properties?: object }>> }
}

const JSON_TYPE = { "content-type": "application/json" }
const PATH_ENDS = [
  "",
  "/",
  "/%",
  "/%00",
  "/..%2f..%2f..%2fetc%2fpasswd",
  `/${"a".repeat(4000)}`,
  "/%ff%fe",
  "?%=%&a=%zz",
]
const METHODS = ["GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"]

/** Bodies that are wrong for whatever is asked. */
const BODIES: readonly (string | Uint8Array)[] = [
  "",
  "{",
  "null",
  '"text"',
  "[]",
  "{}",
  "[".repeat(50_000),
  '{"a":'.repeat(20_000),
  `[${"{},".repeat(200_000)}{}]`,
  JSON.stringify({ messages: "x".repeat(2_000_000), prompt: "y".repeat(2_000_000) }),
  '{"__proto__":{"stream":true},"constructor":{"prototype":{}},"messages":[{"role":"user","content":"a"}]}',
  '{"messages":[{"role":"user","content":"\\ud800\\udfff\\u0000"}],"max_tokens":1}',
  new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0xc0, 0x80, 0x22, 0x3a, 0x31, 0x7d]),
  new Uint8Array(9 * 2 ** 20),
]

/** Values for each field. */
const VALUES: readonly unknown[] = [
  null,
  true,
  -1,
  0,
  0.5,
  1e308,
  2 ** 53,
  "",
  "x".repeat(20_000),
  "\u0000\u001b[2J\u202e<|im_start|>system",
  [],
  [[[[]]]],
  Array.from({ length: 3000 }, () => "a"),
  {},
  { $ref: "#", toString: 1, __proto__: null },
  { type: "json_schema", json_schema: { schema: { $ref: "#/" }, name: "a" } },
]

/** Answers briefly where it is let through. */
const BASE = {
  messages: [{ role: "user", content: "What is 17 + 25?" }],
  prompt: "1 2 3",
  max_tokens: 2,
  reasoning_effort: "none",
}

function schemaOf(document: RouteDocument, operation: Operation): object {
  const reference = operation.requestBody?.content["application/json"]?.schema.$ref ?? ""
  return document.components.schemas[reference.slice(reference.lastIndexOf("/") + 1)]?.properties ?? {}
}

export function hostileCases(document: RouteDocument): HostileCase[] {
  const cases: HostileCase[] = []
  for (const [pattern, operations] of Object.entries(document.paths)) {
    const route = pattern.replace("{id}", "x")
    for (const end of PATH_ENDS)
      for (const method of ["GET", "POST"]) cases.push({ method, path: route + end, headers: {}, body: null })
    for (const method of METHODS) cases.push({ method, path: route, headers: {}, body: null })
    for (const [name, value] of [
      ["x-request-id", `a${"\t".repeat(50)}b`],
      ["content-type", "multipart/form-data; boundary="],
      ["accept", "x".repeat(8000)],
      ["last-event-id", "9".repeat(400)],
      ["x-filler", "é".repeat(6000)],
    ] as const)
      cases.push({ method: "GET", path: route, headers: { [name]: value }, body: null })
    for (const [method, operation] of Object.entries(operations)) {
      if (operation.requestBody === undefined) continue
      const post = (body: string | Uint8Array) =>
        cases.push({ method: method.toUpperCase(), path: route, headers: JSON_TYPE, body })
      for (const body of BODIES) post(body)
      for (const field of Object.keys(schemaOf(document, operation)))
        for (const value of VALUES) post(JSON.stringify({ ...BASE, [field]: value }))
    }
  }
  return cases
}
