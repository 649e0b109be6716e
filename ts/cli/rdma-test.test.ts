// The real program over real ranks: on this machine, and on another host through a real sshd.

import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import t from "tap"
import { noSshHost, startSshHost } from "../testing/ssh-host.ts"
import { packageRoot } from "./package-info.ts"
import { runProgram } from "./testing/run-program.ts"

interface Report {
  readonly size: number
  readonly transport: string
  readonly wrong: number
  readonly measures: readonly { test: string; bytes: number; p50Us: number; p99Us: number; checked: number }[]
}

const DEADLINE_MS = 90_000

t.test("rdma-test measures and checks the links between local ranks", async (t) => {
  const env = { MLX_CLUSTER_STATE: t.testdir() }
  const run = async (...words: string[]) => await runProgram(["rdma-test", ...words], { env, deadlineMs: DEADLINE_MS })
  const quick = await run("quick", "--local-ranks", "3", "--json")
  t.equal(quick.code, 0, quick.stderr)
  const report: Report = JSON.parse(quick.stdout)
  t.match(report, { size: 3, transport: "tcp", wrong: 0 })
  t.same(
    report.measures.map(({ test, bytes }) => [test, bytes]),
    [
      ["correctness", 65_536],
      ["latency", 4096],
      ["bandwidth", 4_194_304],
    ],
  )
  t.equal(report.measures[0]?.checked, 3 * 3 * 16_384, "every element of every sum on every rank")
  t.ok(report.measures.every(({ p50Us, p99Us }) => p50Us > 0 && p99Us >= p50Us))

  const stress = await run("stress", "--local-ranks", "2", "--seconds", "2")
  t.equal(stress.code, 0, stress.stderr)
  t.match(stress.stdout, /^2 ranks over tcp\ntest +bytes +rounds +p50 .*\nstress +1 KiB .*0 of \d+\n/)
  t.match(stress.stdout, /all sums are right\n$/)
})

const verbs = join(packageRoot(), "target", "fake-verbs", "libmlx_jaccl_verbs.so")
const noVerbs = existsSync(verbs) ? false : "JACCL over fake verbs is not built: run node scripts/fake-verbs.js"

t.test("rdma-test goes over JACCL, as a mesh and as a ring", { skip: noVerbs }, async (t) => {
  const env = {
    MLX_CLUSTER_STATE: t.testdir(),
    MLX_CLUSTER_JACCL: verbs,
    FAKE_VERBS_SESSION: `rdma-test-${process.pid}`,
  }
  const backends = { jaccl: "jaccl-mesh", "jaccl-ring": "jaccl-ring" }
  for (const [transport, backend] of Object.entries(backends)) {
    const words = ["rdma-test", "correctness", "--local-ranks", "2", "--transport", transport, "--json"]
    const { code, stdout, stderr } = await runProgram(words, { env, deadlineMs: DEADLINE_MS })
    t.equal(code, 0, stderr)
    t.match(JSON.parse(stdout), { size: 2, transport: backend, wrong: 0 })
  }
})

t.test("what cannot be tested is a sentence", async (t) => {
  const alone = await runProgram(["rdma-test"])
  t.match(alone, { code: 2, stderr: /one rank has no link: give a hostfile with other hosts, or --local-ranks 2/ })
  const word = await runProgram(["rdma-test", "fast"])
  t.match(word, { code: 2, stderr: /the tests are quick, correctness, latency, bandwidth, stress/ })
})

t.test("rdma-test goes to another host, and names the one that is not there", { skip: noSshHost }, async (t) => {
  const folder = t.testdir()
  const ssh = await startSshHost(join(folder, "ssh"), { "node-a": "127.0.0.1", "node-b": "127.0.0.2" })
  t.teardown(() => ssh.close())
  const run = async (other: object) => {
    const hostfile = join(folder, "hostfile.json")
    writeFileSync(hostfile, JSON.stringify([{ ssh: "node-a", ips: ["127.0.0.1"] }, other]))
    const words = ["rdma-test", "--json", "--hostfile", hostfile, "--ssh-config", ssh.config]
    return await runProgram(words, { env: { MLX_CLUSTER_STATE: folder }, deadlineMs: DEADLINE_MS })
  }
  const { code, stdout, stderr } = await run({ ssh: "node-b", ips: ["127.0.0.2"] })
  t.equal(code, 0, stderr)
  t.match(JSON.parse(stdout), { size: 2, wrong: 0 })
  const withCable = [
    { ssh: "node-a", ips: ["127.0.0.1"], rdma: [null, "rdma_en4"] },
    { ssh: "node-b", ips: ["127.0.0.2"], rdma: ["rdma_en4", null] },
  ]
  const cabled = join(folder, "cabled.json")
  writeFileSync(cabled, JSON.stringify(withCable))
  const words = ["rdma-test", "--hostfile", cabled, "--ssh-config", ssh.config]
  const without = await runProgram(words, { env: { MLX_CLUSTER_STATE: folder }, deadlineMs: DEADLINE_MS })
  t.equal(without.code, 1)
  t.match(without.stderr, /JACCL is not here .*mlx-cluster doctor says which device is missing, --transport tcp/)
  const missing = await run({ ssh: "no-such-host.invalid", ips: ["127.0.0.2"] })
  t.match(missing, { code: 1, stderr: /rank 1: the name no-such-host\.invalid is not known/ })
})
