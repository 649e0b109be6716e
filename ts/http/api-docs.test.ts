// docs/api.md says what the code does: errors, routes, limits and request fields are compared with their tables.

import { readFileSync } from "node:fs"
import t from "tap"
import { Compile } from "typebox/compile"
import { ERROR_TABLE } from "./error-response.ts"
import { LIMITS } from "./limits.ts"
import { openApiDocument } from "./openapi.ts"
import { FIELD_FATES } from "./refused-fields.ts"
import { CHAT_FIELDS, COMPLETION_FIELDS } from "./request-fields.ts"
import { ChatCompletionRequest } from "./schemas/chat-completion.ts"
import { CHAT, startServer } from "./testing/start-server.ts"

const page = readFileSync(new URL("../../../docs/api.md", import.meta.url), "utf8")

/** Rows of the table under a heading: cells without their back-ticks. */
function table(heading: string): string[][] {
  const section = page.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? ""
  return section
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .slice(2)
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim().replaceAll("`", "")),
    )
}

const sorted = <T>(rows: Iterable<T>): T[] => [...rows].sort((a, b) => (String(a) < String(b) ? -1 : 1))

t.test("every error of the table is documented with its status, type and text, and no other", (t) => {
  const documented = table("Errors").map(([code, status, type, text]) => [code, Number(status), type, text])
  const actual = Object.entries(ERROR_TABLE).map(([code, row]) => [code, row.status, row.type, row.text])
  t.same(sorted(documented), sorted(actual))
  t.end()
})

t.test("every limit is documented with its value", (t) => {
  const documented = table("Limits").map(([name, value]) => [name, Number(value?.replaceAll(",", ""))])
  t.same(sorted(documented), sorted(Object.entries(LIMITS)))
  t.end()
})

t.test("every request field is documented with what happens to it", (t) => {
  const documented = table("Request fields").map(([field, chat, completions]) => [field, chat, completions])
  const fate = (field: string, honoured: ReadonlySet<string>) =>
    honoured.has(field) ? "honoured" : (FIELD_FATES.get(field) ?? "refused")
  const fields = new Set([...CHAT_FIELDS, ...COMPLETION_FIELDS, ...FIELD_FATES.keys()])
  const actual = [...fields].map((field) => [field, fate(field, CHAT_FIELDS), fate(field, COMPLETION_FIELDS)])
  t.same(sorted(documented), sorted(actual))
  t.end()
})

t.test("every route is documented, and the OpenAPI document has it with schemas that still validate", async (t) => {
  const { url } = await startServer(t, "node")
  const document: unknown = await (await fetch(`${url}/openapi.json`)).json()
  t.match(document, { openapi: "3.1.0", components: { schemas: { Error: {}, ChatCompletionRequest: {} } } })
  const paths: object = Object.getOwnPropertyDescriptor(document, "paths")?.value
  const served = Object.entries(paths).flatMap(([path, methods]: [string, object]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  )
  const documented = table("Routes").map(([method, path]) => `${method} ${path}`)
  const own = ["GET /openapi.json", "GET /docs"]
  t.same(sorted(documented), sorted([...served, ...own]))

  const plain: object = JSON.parse(JSON.stringify(ChatCompletionRequest))
  t.ok(Compile(plain).Check(CHAT), "a schema that went through JSON accepts what the server accepts")
  t.notOk(Compile(plain).Check({ messages: [] }))
})

t.test("an OpenAPI document refers only to schemas that it holds", (t) => {
  const document = JSON.stringify(
    openApiDocument(
      [
        {
          method: "POST",
          path: "/x/*",
          access: "key",
          doc: { summary: "x", body: ChatCompletionRequest, answer: "text/plain" },
          handle: () => {},
        },
      ],
      "1.0.0",
    ),
  )
  const names = new Set([...document.matchAll(/"#\/components\/schemas\/(\w+)"/g)].map((match) => match[1]))
  t.same(sorted(names), ["ChatCompletionRequest", "Error"])
  for (const name of names) t.match(document, `"${name}":{`)
  t.end()
})
