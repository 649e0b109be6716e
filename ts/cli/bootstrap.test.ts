// The real program and a real sshd: another host gets the program and a model, and serves with it.

import { copyFileSync, existsSync, readFileSync, truncateSync, writeFileSync } from "node:fs"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import t from "tap"
import { noSshHost, startSshHost } from "../testing/ssh-host.ts"
import { packageRoot } from "./package-info.ts"
import { runProgram } from "./testing/run-program.ts"

const DEADLINE_MS = 120_000

t.test("another host gets the program and a model, and serves with it", { skip: noSshHost }, async (t) => {
  const folder = t.testdir()
  const ssh = await startSshHost(join(folder, "ssh"), { "node-a": "127.0.0.1", "node-b": "127.0.0.2" })
  t.teardown(() => ssh.close())
  const there = join(folder, "other host", "mlx-cluster")
  const hostfile = join(folder, "hostfile.json")
  const hosts = [
    { ssh: "node-a", ips: ["127.0.0.1"] },
    { ssh: "node-b", ips: ["127.0.0.2"], dir: there },
  ]
  writeFileSync(hostfile, JSON.stringify(hosts))
  const env = { MLX_CLUSTER_STATE: join(folder, "state"), HOME: join(folder, "home") }
  const onHosts = ["--hostfile", hostfile, "--ssh-config", ssh.config]
  const run = async (...args: string[]) => await runProgram([...args, ...onHosts], { env, deadlineMs: DEADLINE_MS })
  t.teardown(() => runProgram(["down", "--now"], { env, deadlineMs: DEADLINE_MS }))

  await t.test("bootstrap copies what runs, and nothing when it is there", async (t) => {
    const first = await run("bootstrap")
    t.match(first, { code: 0, stdout: /^node-b: mlx-cluster \S+ installed\n$/ })
    t.notOk(existsSync(join(there, "ts")), "without sources")
    t.notOk(existsSync(join(there, "node_modules", "typescript")), "without tools")
    t.match(await run("bootstrap"), { code: 0, stdout: /^node-b: mlx-cluster \S+ has it already\n$/ })
    const unknown = await run("bootstrap", "--host", "mac9")
    t.match(unknown, { code: 2, stderr: /--host mac9 is none of the other hosts: node-b/ })
  })

  const model = join(folder, "models", "tiny")
  const weights = "model.safetensors"
  await t.test("sync copies a model, goes on after a break, and believes no size", async (t) => {
    const source = join(packageRoot(), "fixtures", "tiny-qwen3")
    const copy = join(there, "fixtures", "tiny-qwen3", weights)
    const size = readFileSync(copy).length
    copyFileSync(copy, `${copy}.part`)
    truncateSync(`${copy}.part`, 100_000)
    const damaged = readFileSync(copy)
    damaged[size - 5] = (damaged[size - 5] ?? 0) ^ 0x40
    writeFileSync(copy, damaged)
    const second = await run("sync", "--model", source, "--json")
    t.match(JSON.parse(second.stdout)[0].value, { copiedFiles: 1, copiedBytes: size - 100_000, resumedBytes: 100_000 })
    t.ok(readFileSync(copy).equals(readFileSync(join(source, weights))), "the flipped bit is gone")

    writeFileSync(`${copy}.part`, Buffer.alloc(50_000, 1))
    writeFileSync(copy, damaged)
    const third = await run("sync", "--model", source, "--json")
    t.match(JSON.parse(third.stdout)[0].value, { copiedBytes: size, resumedBytes: 0 }, "a wrong beginning is not kept")
    t.match(await run("sync", "--model", model), { code: 2, stderr: /there is no model at/ })
  })

  const serve = ["--model", "tiny", "--port", "0", "--threads", "1"]
  await t.test("a model is served by both installations", async (t) => {
    const up = await run("up", ...serve, "--json")
    t.equal(up.code, 0, up.stderr)
    const answer = await runProgram(["generate", "--temperature", "0", "What is 3 + 4?"], { env })
    t.match(answer, { code: 0, stdout: /3 \+ 4 = 7/ })
    t.match(await runProgram(["down"], { env }), { code: 0, stdout: / ended\n$/ })
  })

  await t.test("another model, or another version, is refused in a sentence", async (t) => {
    const copy = join(there, "fixtures", "tiny-qwen3", weights)
    truncateSync(copy, readFileSync(copy).length - 8)
    const model = await run("up", ...serve)
    t.equal(model.code, 1)
    t.match(model.stderr, /rank 1: .*Run mlx-cluster sync\./)

    const manifest = join(there, "package.json")
    writeFileSync(manifest, readFileSync(manifest, "utf8").replace(/"version": "[^"]*"/, '"version": "0.0.9"'))
    const address = { host: "127.0.0.1", port: 1 }
    const spec = {
      rank: 1,
      size: 2,
      epoch: 1,
      coordinator: address,
      secret: "00",
      options: { version: "9.9.9", engine: {} },
    }
    const words = [join(there, "bin", "mlx-cluster.js"), "rank"]
    const rank = spawn(process.execPath, words, { stdio: ["pipe", "ignore", "pipe"] })
    t.teardown(() => rank.kill("SIGKILL"))
    let said = ""
    rank.stderr.setEncoding("utf8").on("data", (part: string) => (said += part))
    rank.stdin.write(`${JSON.stringify(spec)}\n`)
    t.same(await once(rank, "close"), [1, null])
    t.match(said, /has mlx-cluster 0\.0\.9, the front 9\.9\.9: run mlx-cluster bootstrap/)
  })
})
