// Answers of a real server against their schemas, by a validator that is not ours; and schemas that nobody can serve.

import { Ajv } from "ajv"
import t from "tap"
import { hostileFormats } from "./testing/hostile-formats.ts"
import { randomSchema } from "./testing/random-schema.ts"
import { startServer } from "./testing/server-process.ts"

const ROUNDS = process.env["MLX_CLUSTER_ROUNDS"] === "full" ? 500 : 40
const AT_ONCE = 8
const ANSWER_MS = 120_000
/** A refusal takes no longer, on a busy machine. */
const REFUSAL_MS = 10_000

const ajv = new Ajv({ strict: false, allErrors: true })
ajv.addFormat("date", (text: string) => /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text)))
ajv.addFormat("time", (text: string) => /^([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?(Z|[+-]\d\d:\d\d)$/i.test(text))
ajv.addFormat("uuid", (text: string) => /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(text))
ajv.addFormat("ipv4", (text: string) => /^(\d{1,3}\.){3}\d{1,3}$/.test(text) && text.split(".").every((n) => +n < 256))

interface Reply {
  readonly status: number
  readonly error?: { readonly code: string; readonly param: string | null; readonly message: string }
  readonly choices?: readonly {
    readonly message: { readonly content: string | null }
    readonly finish_reason: string
  }[]
}

async function ask(address: string, body: object): Promise<Reply> {
  const response = await fetch(`${address}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(ANSWER_MS),
  })
  const reply: Omit<Reply, "status"> = JSON.parse(await response.text())
  return { ...reply, status: response.status }
}

const messages = [{ role: "user", content: "Tell me a story." }]

t.test("structured answers", async (t) => {
  const server = startServer({ model: "tiny", stateFolder: t.testdir(), http: { port: 0 } })
  t.teardown(() => server.child.kill("SIGKILL"))
  const address = await server.ready

  await t.test(`of ${ROUNDS} generated schemas at temperature 1.5, every finished answer is valid`, async (t) => {
    const seeds = Array.from({ length: ROUNDS }, (_, seed) => seed)
    let finished = 0
    async function work(): Promise<void> {
      for (let seed = seeds.pop(); seed !== undefined; seed = seeds.pop()) {
        const schema = randomSchema(seed)
        const format = { type: "json_schema", json_schema: { name: "answer", schema, strict: true } }
        const thinks = seed % 4 === 0 ? {} : { reasoning_effort: "none" }
        const reply = await ask(address, {
          messages,
          response_format: format,
          temperature: 1.5,
          seed,
          max_tokens: 600,
          ...thinks,
        })
        const choice = reply.choices?.[0]
        if (reply.status !== 200 || choice === undefined) {
          t.fail(`schema ${seed}: ${JSON.stringify(reply.error)}`, { schema })
          continue
        }
        if (choice.finish_reason !== "stop") continue
        finished++
        const text = choice.message.content ?? ""
        const valid = ajv.validate(schema, JSON.parse(text))
        if (!valid) t.fail(`schema ${seed}: ${ajv.errorsText()}`, { schema, text })
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, work))
    t.comment(`${finished} of ${ROUNDS} finished`)
    t.ok(finished > ROUNDS / 2, `${finished} of ${ROUNDS} finished`)
  })

  await t.test("masks stay with their request", async (t) => {
    const free = { messages, seed: 5, temperature: 1, max_tokens: 60, reasoning_effort: "none" }
    const alone = await ask(address, free)
    const choices = ["left", "right"]
    const [again, ...chosen] = await Promise.all([
      ask(address, free),
      ...Array.from({ length: 12 }, (_, seed) => ask(address, { ...free, seed, choice: choices })),
    ])
    t.equal(again?.choices?.[0]?.message.content, alone.choices?.[0]?.message.content)
    for (const reply of chosen) t.ok(choices.includes(reply.choices?.[0]?.message.content ?? ""))
  })

  await t.test("what cannot be compiled is refused by name and in time", async (t) => {
    for (const [name, fields, param] of hostileFormats()) {
      const begun = performance.now()
      const reply = await ask(address, { messages, max_tokens: 8, ...fields })
      t.match(reply, { status: 400, error: { param } }, name)
      t.ok(performance.now() - begun < REFUSAL_MS, `${name}: ${Math.round(performance.now() - begun)} ms`)
    }
    t.equal((await fetch(`${address}/health`)).status, 200)
  })

  await t.test("what is merely large is served or refused, and nothing else suffers", async (t) => {
    const many = Object.fromEntries(
      Array.from({ length: 800 }, (_, i) => [`p${i}`, { type: "string", pattern: "^a+$" }]),
    )
    const [large, small] = await Promise.all([
      ask(address, { messages, max_tokens: 8, json_schema: { type: "object", properties: many } }),
      ask(address, { messages, max_tokens: 40, choice: ["yes"], reasoning_effort: "none" }),
    ])
    t.ok(large.status === 200 || large.status === 400)
    t.equal(small.choices?.[0]?.message.content, "yes")
  })
})
