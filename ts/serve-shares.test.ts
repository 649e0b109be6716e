// How a model is shared out: KV heads of which there are fewer than ranks, the experts of a mixture, and shares by weight.
// Whatever the shares, the answers are those of one rank, and the ranks have proved it when they started.

import { join } from "node:path"
import { fileURLToPath } from "node:url"
import t, { type Test } from "tap"
import type { ServeOptions } from "./main.ts"
import { streamAnswer } from "./testing/answer-stream.ts"
import { writeRandomQwen3 } from "./testing/random-qwen3.ts"
import { startServer } from "./testing/server-process.ts"
import { until } from "./testing/until.ts"

const FIXTURES = fileURLToPath(new URL("../../fixtures", import.meta.url))
const PROMPTS = ["What is the capital of France?", "Count to ten.", "Tell me a story about a fox."]
const MAX_TOKENS = 24

interface Cluster {
  readonly certificate: { readonly proof: string; readonly ranks: number; readonly agreeing: number } | null
  readonly nodes: readonly { readonly memory: { readonly modelBytes: number } | null }[]
}

async function serveOnce(t: Test, options: ServeOptions): Promise<{ texts: readonly string[]; cluster: Cluster }> {
  const server = startServer({ http: { port: 0 }, stateFolder: options.stateFolder ?? t.testdir(), ...options })
  t.teardown(() => server.child.kill("SIGKILL"))
  const address = await server.ready
  const ended = await Promise.all(PROMPTS.map(async (prompt) => await streamAnswer(address, prompt, MAX_TOKENS).ended))
  t.same(
    ended.map(({ error }) => error),
    PROMPTS.map(() => null),
  )
  let cluster: Cluster = { certificate: null, nodes: [] }
  // Memory comes with the next report of a rank.
  await until(async () => {
    // The server's own answer.
    cluster = (await (await fetch(`${address}/cluster`)).json()) as Cluster
    return cluster.nodes.every(({ memory }) => (memory?.modelBytes ?? 0) > 0)
  })
  server.child.kill("SIGTERM")
  t.equal((await server.ended).code, 0)
  return { texts: ended.map(({ text }) => text), cluster }
}

const modelBytes = ({ nodes }: Cluster) => nodes.map(({ memory }) => memory?.modelBytes ?? 0)
const proved = (ranks: number) => ({ proof: "one rank", ranks, agreeing: 16 })

t.test("two KV heads over four ranks answer as on one rank", async (t) => {
  const folder = t.testdir({ model: {}, state: {} })
  const model = join(folder, "model")
  const stateFolder = join(folder, "state")
  writeRandomQwen3(model, join(FIXTURES, "tiny-qwen3"))
  const alone = await serveOnce(t, { model, stateFolder })
  t.equal(alone.cluster.certificate, null, "one rank has nothing to prove")
  const { texts, cluster } = await serveOnce(t, { model, stateFolder, localRanks: 4 })
  t.same(texts, alone.texts)
  t.match(cluster.certificate, proved(4))
})

t.test("a mixture of experts is split over two and three ranks", async (t) => {
  const model = join(FIXTURES, "tiny-qwen3-moe")
  const alone = await serveOnce(t, { model })
  for (const localRanks of [2, 3]) {
    const { texts, cluster } = await serveOnce(t, { model, localRanks })
    t.same(texts, alone.texts, `${localRanks} ranks`)
    t.match(cluster.certificate, proved(localRanks))
  }
})

t.test("ranks take the shares that they are told to", async (t) => {
  const model = join(FIXTURES, "tiny-qwen3")
  const alone = await serveOnce(t, { model })
  const [whole = 0] = modelBytes(alone.cluster)
  const even = modelBytes((await serveOnce(t, { model, localRanks: 2 })).cluster)
  for (const own of even) t.ok(own < 0.55 * whole, `even shares: ${own} of ${whole} bytes`)
  const { texts, cluster } = await serveOnce(t, { model, localRanks: 2, shares: [3, 1] })
  t.same(texts, alone.texts)
  t.match(cluster.certificate, proved(2))
  const [large = 0, small = 0] = modelBytes(cluster)
  t.ok(large > 2 * small && small > 0, `${large} bytes and ${small} bytes`)

  const server = startServer({ model, stateFolder: t.testdir(), http: { port: 0 }, localRanks: 2, shares: [3] })
  const { code, stderr } = await server.ended
  t.equal(code, 2)
  t.match(stderr, /the shares are 2 numbers above 0/u)
})
