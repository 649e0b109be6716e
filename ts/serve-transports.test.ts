// The same answers whichever way the ranks' collectives go: JACCL (over fake verbs) as a mesh and as a ring, MLX's ring,
// TCP; a batch and a stream, the bundled model and the starter model with its 9 heads.

import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import t, { type Test } from "tap"
import { startServer } from "./testing/server-process.ts"

const ROOT = fileURLToPath(new URL("../../", import.meta.url))
process.env["MLX_CLUSTER_JACCL"] ??= `${ROOT}target/fake-verbs/libmlx_jaccl_verbs.so`
process.env["FAKE_VERBS_SESSION"] = String(process.pid)
const STARTER = `${ROOT}models/SmolLM2-135M-Instruct.Q4_1.gguf`
const ANSWER_MS = 120_000
const PROMPTS = ["What is the capital of France?", "Count to ten.", "Tell me a story about a fox."]
const isLinux = process.platform === "linux"

interface Answers {
  readonly batch: readonly string[]
  readonly stream: string
}

async function post(address: string, body: object): Promise<string> {
  const response = await fetch(`${address}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ temperature: 0, ...body }),
    signal: AbortSignal.timeout(ANSWER_MS),
  })
  return await response.text()
}

const textOf = (json: string): string => {
  const body: { choices?: { text?: string }[] } = JSON.parse(json)
  return body.choices?.[0]?.text ?? json
}

/** All prompts at once, then one of them as a stream. */
async function ask(address: string, maxTokens: number): Promise<Answers> {
  const batch = await Promise.all(
    PROMPTS.map(async (prompt) => textOf(await post(address, { prompt, max_tokens: maxTokens }))),
  )
  const events = await post(address, { prompt: PROMPTS[0], max_tokens: maxTokens, stream: true })
  const pieces = events.split("\n").filter((line) => line.startsWith("data: {"))
  return { batch, stream: pieces.map((line) => textOf(line.slice("data: ".length))).join("") }
}

type Way = Pick<Parameters<typeof startServer>[0], "localRanks" | "transport" | "engine" | "fastSynch">

async function answersOf(t: Test, model: string, maxTokens: number, way: Way): Promise<Answers> {
  const server = startServer({ model, stateFolder: t.testdir(), http: { port: 0 }, ...way })
  t.teardown(() => server.child.kill("SIGKILL"))
  const address = await server.ready
  const answers = await ask(address, maxTokens)
  const cluster: { links?: { transport?: string }[]; metalFastSynch?: boolean } = JSON.parse(
    await (await fetch(`${address}/cluster`)).text(),
  )
  const over = (way.transport ?? "tcp").replace("-ring", "")
  t.ok(cluster.links?.every(({ transport }) => transport === over) ?? true, "and /cluster tells the way")
  t.equal(cluster.metalFastSynch, way.fastSynch ?? false, "and whether MLX's switch for Macs is on")
  server.child.kill("SIGTERM")
  await server.ended
  t.same(server.ranks(), [], "no rank is left")
  return answers
}

t.test("the bundled model answers over every transport as one rank does", { skip: !isLinux }, async (t) => {
  const expected = await answersOf(t, "tiny", 40, {})
  t.equal(expected.stream, expected.batch[0], "a stream is the answer in pieces")
  t.equal(new Set(expected.batch).size, PROMPTS.length)
  for (const localRanks of [2, 4]) {
    for (const transport of ["jaccl", "jaccl-ring"] as const) {
      t.same(
        await answersOf(t, "tiny", 40, { localRanks, transport }),
        expected,
        `${localRanks} ranks over ${transport}`,
      )
    }
  }
  t.same(
    await answersOf(t, "tiny", 40, { localRanks: 2, transport: "ring", fastSynch: true }),
    expected,
    "2 ranks over MLX's ring",
  )
})

const noStarter = !isLinux || !existsSync(STARTER)
t.test("9 heads over 2, 3 and 4 ranks answer as one rank does, over TCP and JACCL", { skip: noStarter }, async (t) => {
  const expected = await answersOf(t, STARTER, 20, {})
  for (const localRanks of [2, 3, 4]) {
    for (const transport of ["tcp", "jaccl"] as const) {
      t.same(
        await answersOf(t, STARTER, 20, { localRanks, transport }),
        expected,
        `${localRanks} ranks over ${transport}`,
      )
    }
  }
})

t.test("a model of MLX's operations is split over ranks, too", { skip: !isLinux }, async (t) => {
  const engine = { executor: "mlx" } as const
  const expected = await answersOf(t, "tiny", 24, { engine })
  t.same(await answersOf(t, "tiny", 24, { engine, localRanks: 2, transport: "jaccl" }), expected, "2 ranks over jaccl")
  t.same(await answersOf(t, "tiny", 24, { engine, localRanks: 4 }), expected, "4 ranks over tcp")
})

t.test("ranks of one machine have no cables of their own", async (t) => {
  const made = process.env["MLX_CLUSTER_JACCL"]
  delete process.env["MLX_CLUSTER_JACCL"]
  t.teardown(() => (process.env["MLX_CLUSTER_JACCL"] = made))
  const options = { model: "tiny", stateFolder: t.testdir(), http: { port: 0 } }
  const server = startServer({ ...options, localRanks: 2, transport: "jaccl" })
  const { code, stderr } = await server.ended
  t.equal(code, 2)
  t.match(stderr, /JACCL joins machines by their cables/u)
})
