// The real program: a server in the background, the commands that find it, and its end.

import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import t, { type Test } from "tap"
import { runProgram } from "./testing/run-program.ts"

const TINY = ["--model", "tiny", "--port", "0", "--threads", "1"]

function place(t: Test) {
  const folder = t.testdir()
  const env = { MLX_CLUSTER_STATE: folder }
  t.teardown(() => runProgram(["down", "--now"], { env }))
  return { folder, env }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

t.test("up starts a server that the other commands find, and down leaves nothing of it", async (t) => {
  const { folder, env } = place(t)
  const started = await runProgram(["up", ...TINY, "--local-ranks", "2", "--json"], { env })
  t.equal(started.stderr, "")
  t.equal(started.code, 0)
  const server: { pid: number; url: string; log: string } = JSON.parse(started.stdout)
  const status = await runProgram(["status", "--json"], { env })
  t.equal(status.code, 0, "without an address")
  const nodes: { pid: number }[] = JSON.parse(status.stdout).cluster.nodes
  t.equal(nodes.length, 2)

  const again = await runProgram(["up", ...TINY], { env })
  t.equal(again.code, 1)
  t.match(again.stderr, `a server serves at ${server.url} already (process ${server.pid}): mlx-cluster down ends it`)

  const ended = await runProgram(["down"], { env })
  t.match(ended, { code: 0, stdout: `server ${server.pid} ended\n`, stderr: "" })
  for (const pid of [server.pid, ...nodes.map((node) => node.pid)]) t.notOk(alive(pid), `${pid} is gone`)
  t.match(readFileSync(join(folder, "server.log"), "utf8"), /mlx-cluster serves tiny-qwen3 at/)

  const logs = await runProgram(["logs"], { env })
  t.equal(logs.code, 0)
  t.match(logs.stdout, /mlx-cluster serves tiny-qwen3 at/, "a server that has ended has left its log")
  const none = await runProgram(["down", "--json"], { env })
  t.same(JSON.parse(none.stdout), { pid: null, result: "none" })
})

t.test("a server that cannot start is a sentence, and the exit code says whose fault it is", async (t) => {
  const { env } = place(t)
  const wrong = await runProgram(["up", "--model", "no-such-model"], { env })
  t.equal(wrong.code, 2)
  t.match(wrong.stderr, /^mlx-cluster: no model "no-such-model".*\n$/)
  const typo = await runProgram(["up", "--prot", "1"], { env })
  t.equal(typo.code, 2)
  t.match(typo.stderr, "did you mean --port?")
  const none = await runProgram(["down"], { env })
  t.match(none, { code: 0, stdout: "no server runs that mlx-cluster up has started\n" })
})

t.test("down never ends a process that only has the same number", async (t) => {
  const { folder, env } = place(t)
  const stranger = { pid: process.pid, started: "Thu Jan  1 00:00:00 1970", url: "", log: "" }
  writeFileSync(join(folder, "server.json"), JSON.stringify(stranger))
  t.match(await runProgram(["down"], { env }), { code: 0, stdout: "no server runs that mlx-cluster up has started\n" })
  t.ok(alive(process.pid))
})
