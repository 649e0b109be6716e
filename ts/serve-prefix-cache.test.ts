// The prefix cache of a real server with the tiny model, as its operator sees it.

import t from "tap"
import { startServer } from "./testing/server-process.ts"

const server = startServer({ model: "tiny", stateFolder: t.testdir(), http: { port: 0, logPrompts: true } })
t.teardown(async () => {
  server.child.kill("SIGTERM")
  await server.ended
})
const url = await server.ready

async function post(
  fields: object,
  address = url,
  key = "",
): Promise<{ readonly cached: number; readonly text: string }> {
  const body = JSON.stringify({ temperature: 0, max_tokens: 12, ...fields })
  const response = await fetch(`${address}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}` },
    body,
  })
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

t.test("requests of another cache_salt are strangers, and those of the same one are not", async (t) => {
  const ask = about("Sunday", "What is the capital of Norway?")
  const salted = { ...ask, cache_salt: "tenant a" }
  await post(ask)
  t.equal((await post(salted)).cached, 0)
  t.ok((await post(salted)).cached > 20)
  t.equal((await post({ ...ask, cache_salt: "tenant b" })).cached, 0)
  t.ok((await post(ask)).cached > 20)
})

t.test("API keys do not see each other's prompts unless they are told to", async (t) => {
  const stateFolder = t.testdir()
  for (const sharePrefixCache of [false, true]) {
    const keyed = startServer({ model: "tiny", stateFolder, http: { port: 0, keys: ["one", "two"], sharePrefixCache } })
    t.teardown(async () => {
      keyed.child.kill("SIGTERM")
      await keyed.ended
    })
    const address = await keyed.ready
    const ask = (key: string, fields: object = {}) =>
      post({ ...about("Monday", "Why is the sky blue?"), ...fields }, address, key)
    t.equal((await ask("one")).cached, 0)
    t.ok((await ask("one")).cached > 20, "a key sees its own")
    t.equal((await ask("two")).cached > 20, sharePrefixCache)
    t.equal((await ask("one", { cache_salt: "s" })).cached, 0)
    t.equal((await ask("two", { cache_salt: "s" })).cached > 20, sharePrefixCache)
  }
})

t.test("a prefix cache on disk is refused where the model is split, in one sentence", async (t) => {
  const folder = t.testdir()
  const split = startServer({
    model: "tiny",
    stateFolder: folder,
    localRanks: 2,
    http: { port: 0 },
    engine: { prefixCacheFolder: folder },
  })
  split.ready.catch(() => undefined)
  const { code, stderr } = await split.ended
  t.equal(code, 2)
  t.match(stderr, /--prefix-cache-dir works where one rank has the whole model/)
})

t.test("the next start of a server finds what the last one kept on disk", async (t) => {
  const folder = t.testdir({ kept: {} })
  const cached: number[] = []
  const texts: string[] = []
  for (let start = 0; start < 2; start++) {
    const engine = { prefixCacheFolder: `${folder}/kept` }
    const one = startServer({ model: "tiny", stateFolder: folder, http: { port: 0 }, engine })
    t.teardown(() => void one.child.kill("SIGKILL"))
    const answer = await post({ ...about("Tuesday", "Tell me of rivers. ".repeat(30)), seed: 1 }, await one.ready)
    cached.push(answer.cached)
    texts.push(answer.text)
    one.child.kill("SIGTERM")
    await one.ended
  }
  t.equal(cached[0], 0)
  t.ok((cached[1] ?? 0) >= 64, `${cached[1]} tokens were kept`)
  t.equal(texts[1], texts[0])
})
