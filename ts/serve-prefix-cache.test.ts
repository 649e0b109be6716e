// The prefix cache of a real server with the tiny model, as its operator sees it.

import t from "tap"
import { startServer } from "./testing/server-process.ts"

const server = startServer({ model: "tiny", stateFolder: t.testdir(), http: { port: 0, logPrompts: true } })
t.teardown(async () => {
  server.child.kill("SIGTERM")
  await server.ended
})
const url = await server.ready

async function post(fields: object): Promise<{ readonly cached: number; readonly text: string }> {
  const body = JSON.stringify({ temperature: 0, max_tokens: 12, ...fields })
  const response = await fetch(`${url}/v1/chat/completions`, { method: "POST", body })
  const { choices, usage } = JSON.parse(await response.text())
  return { cached: usage.prompt_tokens_details.cached_tokens, text: JSON.stringify(choices) }
}

const about = (day: string, question: string) => ({
  messages: [
    { role: "system", content: `You are helpful. Today is ${day}. Answer in one short sentence.` },
    { role: "user", content: question },
  ],
})

t.test("a request says how much of its prompt was cached, and what kept the rest from it", async (t) => {
  const first = await post(about("Monday", "What is the capital of France?"))
  t.equal(first.cached, 0)
  const again = await post(about("Monday", "What is the capital of France?"))
  t.ok(again.cached > 20)
  t.equal(again.text, first.text, "a cached answer is the same answer")
  const other = await post(about("Friday", "What is the capital of France?"))
  t.ok(other.cached > 3 && other.cached < again.cached, `${other.cached} of ${again.cached}`)

  const { requests } = JSON.parse(await (await fetch(`${url}/requests`)).text())
  const [last, second, oldest] = requests
  t.equal(last.cached_tokens, other.cached)
  t.equal(last.cache.diverged_at, other.cached)
  t.match("Monday", new RegExp(`^ ?${last.cache.cached_text.trim()}`, "u"))
  t.match(last.cache.prompt_text, /^ ?Fri|^ ?F/u)
  t.equal(second.cache, null)
  t.equal(oldest.cache, null)
})
