// The tables of request fields are complete: every field of the official client's types, which are made from the current
// specification, is honoured, refused by name or known as bookkeeping.

import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import t from "tap"
import { FIELD_FATES } from "./refused-fields.ts"
import { CHAT_FIELDS, COMPLETION_FIELDS } from "./request-fields.ts"
import { CHAT, startServer } from "./testing/start-server.ts"

const folder = dirname(createRequire(import.meta.url).resolve("openai"))

/** Names of the members of an interface in a declaration file of the client. */
function fieldsOf(file: string, name: string): string[] {
  const text = readFileSync(join(folder, "resources", file), "utf8")
  const start = text.indexOf(`export interface ${name} {`)
  const body = text.slice(start, text.indexOf("\n}\n", start))
  return [...body.matchAll(/^ {4}(\w+)\??:/gm)].flatMap(([, field]) => field ?? [])
}

const specified = [
  ["/v1/chat/completions", "chat/completions/completions.d.ts", "ChatCompletionCreateParamsBase", CHAT_FIELDS],
  ["/v1/completions", "completions.d.ts", "CompletionCreateParamsBase", COMPLETION_FIELDS],
] as const

for (const [path, file, name, honoured] of specified) {
  t.test(`${path}: no field of the specification is unknown here`, async (t) => {
    const fields = fieldsOf(file, name)
    t.ok(fields.length > 15 && fields.includes("model"))
    const unknown = fields.filter((field) => !honoured.has(field) && !FIELD_FATES.has(field))
    t.same(unknown, [])
  })

  t.test(`${path}: what is not honoured is answered by a 400 that names it`, async (t) => {
    const { post, engine } = await startServer(t, "node")
    const base = path.includes("chat") ? CHAT : { prompt: "x" }
    const refused = fieldsOf(file, name).filter((field) => !honoured.has(field) && FIELD_FATES.get(field) === "refused")
    for (const field of refused) {
      const response = await post(path, { ...base, [field]: { never: "neutral" } })
      t.equal(response.status, 400, field)
      t.match(await response.json(), { error: { code: "unsupported_parameter", param: field } })
    }
    t.same(engine.submitted, [])
  })
}
