// One model over several rank processes: the same answers as from one, and a lost rank hurts nobody for long.

import t, { type Test } from "tap"
import { startServer, type ServerProcess } from "./testing/server-process.ts"

const PROMPTS = [
  "What is the capital of France?",
  "Count to ten.",
  "Tell me a story about a fox.",
  "What is 3 + 4?",
] as const
/** Tokens; MLX's buffers are let go every 256 steps. */
const LONG_ANSWER = 320
const ANSWER_MS = 60_000

/** Its masks go from the first rank to the others. */
const CONSTRAINED = {
  json_schema: {
    type: "object",
    properties: { name: { type: "string", maxLength: 20 }, counts: { type: "array", items: { type: "integer" } } },
    required: ["name", "counts"],
    additionalProperties: false,
  },
}

const SAMPLED = { temperature: 1.5, seed: 7, frequency_penalty: 0.4 }
/** Ranks exchange the best token of their part of the vocabulary, and no logits. */
const PLAIN = { logprobs: null }

async function complete(address: string, prompt: string, maxTokens = 48, more: object = {}): Promise<string> {
  const response = await fetch(`${address}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ prompt, temperature: 0, max_tokens: maxTokens, logprobs: 2, ...more }),
    signal: AbortSignal.timeout(ANSWER_MS),
  })
  const body: unknown = await response.json()
  if (typeof body !== "object" || body === null || !("choices" in body) || !Array.isArray(body.choices)) {
    throw new Error(`${response.status}: ${JSON.stringify(body)}`)
  }
  return String(body.choices[0]?.text)
}

const all = async (address: string): Promise<readonly string[]> =>
  await Promise.all([
    ...PROMPTS.map((prompt) => complete(address, prompt)),
    complete(address, PROMPTS[0], 48, CONSTRAINED),
  ])

function start(t: Test, localRanks: number): ServerProcess {
  const server = startServer({ model: "tiny", stateFolder: t.testdir(), http: { port: 0 }, localRanks })
  t.teardown(() => server.child.kill("SIGKILL"))
  return server
}

async function stop(server: ServerProcess): Promise<number | null> {
  server.child.kill("SIGTERM")
  return (await server.ended).code
}

t.test("batched answers over 2 and 4 ranks are those of one rank, also after kill -9 of a rank", async (t) => {
  const alone = start(t, 1)
  const one = await alone.ready
  const expected = await all(one)
  const drawn = await complete(one, PROMPTS[0], 48, SAMPLED)
  t.equal(await stop(alone), 0)
  t.equal(new Set(expected).size, PROMPTS.length + 1, "the answers differ from each other")

  for (const size of [2, 4]) {
    const server = start(t, size)
    const address = await server.ready
    t.equal(server.ranks().length, size, `${size} rank processes`)
    t.same(await all(address), expected, `${size} ranks answer as one does`)
    t.equal(await complete(address, PROMPTS[0], 48, SAMPLED), drawn, "draw as one does")
    t.equal(await complete(address, PROMPTS[2], 48, PLAIN), expected[2], "and find the best token without its logits")
    if (size === 2) {
      const before = server.ranks()
      // Both are asked while the second rank dies: the requests go on in the next life of the group.
      const running = all(address)
      process.kill(Math.max(...before), "SIGKILL")
      t.same(await running, expected, "requests that ran when the rank was lost are answered")
      t.same(await all(address), expected, "and so are later ones")
      const after = server.ranks()
      t.ok(after.length === size && after.every((pid) => !before.includes(pid)), "by new processes")
    }
    t.equal(await stop(server), 0)
    t.same(server.ranks(), [], "no rank is left")
  }
})

t.test("two ranks run far more steps than the engine keeps its buffers for", async (t) => {
  const server = start(t, 2)
  const address = await server.ready
  const answers = PROMPTS.map((prompt) => complete(address, prompt, LONG_ANSWER))
  for (const answer of await Promise.all(answers)) t.ok(answer.length > 0)
  t.equal(await stop(server), 0)
})

t.test("a wrong number of ranks is refused before anything starts", async (t) => {
  const server = start(t, 5)
  const { code, stderr } = await server.ended
  t.equal(code, 2)
  t.match(stderr, /the number of local ranks is 1 to 4/u)
})
