import t from "tap"
import { createLogStore } from "../log-store.ts"
import { LIMITS } from "../limits.ts"
import { createServer } from "../server.ts"
import { createScriptedEngine } from "../testing/scripted-engine.ts"
import { SCRIPTED_CLUSTER } from "../testing/start-server.ts"

t.test("log lines are numbered, told apart by their source, and given after a number", async (t) => {
  const logs = createLogStore(() => 1000)
  const server = createServer({
    engine: createScriptedEngine(),
    cluster: () => SCRIPTED_CLUSTER,
    options: { port: 0, server: "node" },
    logs,
  })
  const { port } = await server.listen()
  t.teardown(() => server.close())
  const get = async (query: string): Promise<unknown> => (await fetch(`http://127.0.0.1:${port}/logs${query}`)).json()
  logs.push("rank 1: loading")
  logs.push("mlx-cluster: SIGTERM")
  t.same(await get(""), {
    lines: [
      { sequence: 1, time: 1000, source: "rank 1", text: "loading" },
      { sequence: 2, time: 1000, source: "front", text: "mlx-cluster: SIGTERM" },
    ],
  })
  t.match(await get("?after=1"), { lines: [{ sequence: 2 }] })
  t.match(await get("?limit=1"), { lines: [{ sequence: 2 }] })
  t.match(await get("?after=-1"), { error: { code: "invalid_value", param: "after" } })
  for (let index = 0; index < LIMITS.logLines + 5; index++) logs.push("x".repeat(LIMITS.logLineChars + 1))
  const kept = logs.since(0)
  t.equal(kept.length, LIMITS.logLines)
  t.equal(kept.at(-1)?.text.length, LIMITS.logLineChars)
})
