// The whole server as a process, with the tiny model: ready, answers, kills, ends. No engine is replaced.

import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import t from "tap"
import { isAlive, startServer } from "./testing/server-process.ts"
import { until, untilReady } from "./testing/until.ts"

const quick = { model: "tiny", stateFolder: t.testdir(), http: { port: 0 } }

async function chat(address: string, body: object = {}): Promise<Response> {
  return await fetch(`${address}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      messages: [{ role: "user", content: "What is the capital of France?" }],
      temperature: 0,
      max_tokens: 16,
      ...body,
    }),
    signal: AbortSignal.timeout(60_000),
  })
}

async function choicesOf(response: Response): Promise<string> {
  const body: unknown = await response.json()
  return typeof body === "object" && body !== null && "choices" in body ? JSON.stringify(body.choices) : "none"
}

t.test("a server answers, survives kill -9 of its rank, and ends on SIGTERM with nothing left", async (t) => {
  const server = startServer(quick)
  t.teardown(() => server.child.kill("SIGKILL"))
  const address = await server.ready
  const [rank, ...others] = server.ranks()
  t.ok(rank !== undefined && others.length === 0, "one rank, which ps shows as mlx-cluster rank")

  const before = await chat(address)
  t.equal(before.status, 200)
  const text = await choicesOf(before)

  const pids = [rank ?? 0]
  for (let round = 0; round < 3; round++) {
    const killed = pids.at(-1) ?? 0
    process.kill(killed, "SIGKILL")
    // Until the loss is noticed, /ready says what held before.
    await until(() => server.ranks().some((pid) => pid !== killed))
    await untilReady(address)
    const after = await chat(address)
    t.equal(after.status, 200, `round ${round}`)
    t.equal(await choicesOf(after), text)
    pids.push(...server.ranks().filter((pid) => pid !== killed))
  }
  t.equal(new Set(pids).size, 4)
  const errors: unknown = await (await fetch(`${address}/errors`)).json()
  const loss = { code: "rank_lost", cause: /SIGKILL/, cure: /starts again by itself/ }
  t.match(errors, { errors: [loss, loss, loss] }, "each loss is in the error log with cause and cure")

  server.child.kill("SIGTERM")
  t.equal((await server.ended).code, 0)
  t.strictSame(pids.filter(isAlive), [])
})

t.test("a rank ends by itself when its front is killed", async () => {
  const server = startServer(quick)
  await server.ready
  const [rank] = server.ranks()
  server.child.kill("SIGKILL")
  await server.ended
  await until(() => !isAlive(rank ?? 0))
})

t.test("SIGTERM lets a running stream finish, and a second one does not wait", async (t) => {
  const server = startServer(quick)
  t.teardown(() => server.child.kill("SIGKILL"))
  const address = await server.ready
  const response = await chat(address, { stream: true, max_tokens: 200, ignore_eos: true })
  const reader = response.body?.getReader()
  await reader?.read()
  server.child.kill("SIGTERM")
  const decoder = new TextDecoder()
  let rest = ""
  for (let part = await reader?.read(); part !== undefined && !part.done; part = await reader?.read()) {
    rest += decoder.decode(part.value, { stream: true })
  }
  t.match(rest, /finish_reason":"(stop|length)"/)
  t.match(rest, "[DONE]")
  t.equal((await server.ended).code, 0)
})

t.test("one process serves with the token half in a thread", async (t) => {
  const server = startServer({ ...quick, isolation: "thread" })
  t.teardown(() => server.child.kill("SIGKILL"))
  const address = await server.ready
  t.strictSame(server.ranks(), [])
  t.equal((await chat(address)).status, 200)
  server.child.kill("SIGINT")
  t.equal((await server.ended).code, 0)
})

t.test("a signal before the model is loaded ends the server in good order", async (t) => {
  const server = startServer(quick)
  t.teardown(() => server.child.kill("SIGKILL"))
  await new Promise((resolve) => server.child.once("spawn", resolve))
  // Its handlers stand once it has started a rank, or it is gone before.
  await until(() => server.ranks().length > 0)
  const ranks = server.ranks()
  server.child.kill("SIGTERM")
  t.equal((await server.ended).code, 0)
  t.strictSame(ranks.filter(isAlive), [])
})

t.test("bad input is one line and exit code 2", async (t) => {
  const folder = t.testdir({ empty: {} })
  const hosts = join(folder, "hosts.json")
  await writeFile(hosts, '[{ "ssh": "a", "rdma": [5] }]')
  const two = join(folder, "two.json")
  await writeFile(two, '[{ "ssh": "a", "ips": ["10.0.0.1"] }, { "ssh": "b" }]')
  const cases: [object, RegExp][] = [
    [{ model: "no-such-model" }, /^mlx-cluster: no model "no-such-model".*\n$/],
    [{ model: join(folder, "empty") }, /^mlx-cluster: .*no config\.json.*\n$/],
    [{ hostfile: hosts }, /^mlx-cluster: hosts\.json: hosts\[0\]\.rdma\[0\]: expected a device name or null, got 5\n$/],
    [{ hostfile: two, localRanks: 2 }, /^mlx-cluster: .*names 2 hosts.*\n$/],
    [{ engine: { maxRunning: 0 } }, /^mlx-cluster: maxRunning is not an integer.*\n$/],
    [{ http: { port: 0, host: "0.0.0.0" } }, /mlx-cluster: refusing to serve on 0\.0\.0\.0 without an API key.*\n$/],
  ]
  for (const [options, expected] of cases) {
    const { code, stderr } = await startServer({ ...quick, ...options }).ended
    t.match(stderr, expected)
    t.equal(code, 2)
  }
})

t.test("a port that is taken is one line and exit code 1", async (t) => {
  const first = startServer(quick)
  t.teardown(() => first.child.kill("SIGKILL"))
  const port = Number(new URL(await first.ready).port)
  const { code, stderr } = await startServer({ ...quick, http: { port } }).ended
  t.equal(code, 1)
  t.match(stderr, `cannot listen on 127.0.0.1 port ${port}`)
  first.child.kill("SIGTERM")
  t.equal((await first.ended).code, 0)
})
