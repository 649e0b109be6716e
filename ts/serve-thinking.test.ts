// Thought of a real server process with the tiny model: bounded, off, and counted.

import t from "tap"
import { startServer } from "./testing/server-process.ts"

const server = startServer({ model: "tiny", stateFolder: t.testdir(), http: { port: 0 } })
t.teardown(async () => {
  server.child.kill("SIGTERM")
  await server.ended
})
const url = await server.ready

interface Answer {
  readonly choices: readonly {
    readonly message: { readonly content: string; readonly reasoning_content?: string }
    readonly finish_reason: string
  }[]
  readonly usage: {
    readonly completion_tokens: number
    readonly completion_tokens_details: { readonly reasoning_tokens: number }
  }
}

async function ask(fields: object): Promise<Answer> {
  const body = { messages: [{ role: "user", content: "What is the capital of France?" }], temperature: 0, ...fields }
  const response = await fetch(`${url}/v1/chat/completions`, { method: "POST", body: JSON.stringify(body) })
  return JSON.parse(await response.text())
}

t.test("a budget ends the thought at its token, and the model answers all the same", async (t) => {
  const free = await ask({})
  const thought = free.choices[0]?.message.reasoning_content ?? ""
  const tokens = free.usage.completion_tokens_details.reasoning_tokens
  t.ok(tokens > 4)
  for (const budget of [1, 2, 3]) {
    const { choices, usage } = await ask({ thinking_budget: budget, n: 2 })
    for (const choice of choices) {
      const cut = choice.message.reasoning_content ?? ""
      t.ok(cut.length < thought.length && thought.startsWith(cut), cut)
      t.match(choice.message.content, /Paris/)
      t.equal(choice.finish_reason, "stop")
    }
    t.ok(usage.completion_tokens_details.reasoning_tokens <= 2 * (budget + 1))
  }
  const { choices, usage } = await ask({ thinking_budget: 1000 })
  t.same([choices[0]?.message, usage.completion_tokens], [free.choices[0]?.message, free.usage.completion_tokens])
})

t.test("a sampled answer with a budget is repeatable", async (t) => {
  const request = { temperature: 1, seed: 5, thinking_budget: 3, max_tokens: 60 }
  t.same((await ask(request)).choices, (await ask(request)).choices)
})

t.test("thinking can be switched off in each of the ways that clients know", async (t) => {
  for (const off of [
    { reasoning_effort: "none" },
    { enable_thinking: false },
    { thinking_budget: 0 },
    { chat_template_kwargs: { enable_thinking: false } },
  ]) {
    const { choices, usage } = await ask(off)
    t.equal(choices[0]?.message.content, "The capital of France is Paris.", JSON.stringify(off))
    t.equal(choices[0]?.message.reasoning_content, undefined)
    t.equal(usage.completion_tokens_details.reasoning_tokens, 0)
  }
})
