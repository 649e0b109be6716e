// The official Python client against a real server process: tests/clients/openai_python.py, one test a line of it.

import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import t from "tap"
import { startServer } from "./testing/server-process.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))
/** scripts/setup.sh puts the client there. */
const packages = `${root}.cache/openai-client`
const CLIENT_MS = 100_000

const missing = !existsSync(packages) && process.env["MLX_CLUSTER_REQUIRE_ALL"] !== "1"

t.test("the Python client works", { skip: missing && "run scripts/setup.sh test first" }, async (t) => {
  const server = startServer({ model: "tiny", stateFolder: t.testdir(), http: { port: 0 } })
  t.teardown(async () => {
    server.child.kill("SIGTERM")
    await server.ended
  })
  const client = spawn("python3", [`${root}tests/clients/openai_python.py`, await server.ready], {
    env: { ...process.env, PYTHONPATH: packages, PYTHONDONTWRITEBYTECODE: "1" },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: CLIENT_MS,
  })
  let stdout = ""
  let stderr = ""
  client.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text))
  client.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text))
  const code = await new Promise((resolve) => client.once("close", resolve))
  for (const [, not, sentence = ""] of stdout.matchAll(/^(not )?ok - (.*)$/gm)) t.ok(not === undefined, sentence)
  t.match(stdout, /^[1-9]\d* passed, 0 failed$/m, stderr)
  t.equal(code, 0)
})
