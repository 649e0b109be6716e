// The real program, and a real sshd for the other host.

import { writeFileSync } from "node:fs"
import { join } from "node:path"
import t from "tap"
import { noSshHost, startSshHost } from "../testing/ssh-host.ts"
import { runProgram } from "./testing/run-program.ts"

t.test("doctor examines this machine and says what it has", async (t) => {
  const { code, stdout, stderr } = await runProgram(["doctor", "--model", "tiny"])
  t.equal(stderr, "")
  t.equal(code, 0, stdout)
  t.match(stdout, /hostfile\.json: one host\n/)
  t.match(stdout, /ok +program +mlx-cluster /)
  t.match(stdout, /ok +model +\/.*tiny-qwen3, /)
  t.match(stdout, /no problem found\n$/)
})

t.test("a hostfile that is wrong names the entry and the field, and the exit code is 2", async (t) => {
  const path = join(t.testdir(), "hosts.json")
  writeFileSync(path, '[{"ssh":"a","ips":["10.0.0.1"],"rdma":[null,5]},{"ssh":"b"}]')
  const { code, stderr } = await runProgram(["doctor", "--hostfile", path])
  t.equal(code, 2)
  t.match(stderr, /^mlx-cluster: hosts\.json: hosts\[0\]\.rdma\[1\]: expected a device name or null, got 5.*\n$/)
})

t.test("doctor examines other hosts over ssh", { skip: noSshHost }, async (t) => {
  const folder = t.testdir()
  const ssh = await startSshHost(join(folder, "ssh"), { "node-a": "127.0.0.1", "node-b": "127.0.0.2" })
  t.teardown(() => ssh.close())
  const hostfile = join(folder, "hostfile.json")
  const doctor = async (hosts: readonly object[], ...words: string[]) => {
    writeFileSync(hostfile, JSON.stringify(hosts))
    const { code, stdout } = await runProgram([
      "doctor",
      "--json",
      "--hostfile",
      hostfile,
      "--ssh-config",
      ssh.config,
      ...words,
    ])
    const { findings }: { findings: { rank: number; subject: string; state: string; text: string }[] } =
      JSON.parse(stdout)
    return { code, findings }
  }
  const nodeA = { ssh: "node-a", ips: ["127.0.0.1"] }
  const well = await doctor([nodeA, { ssh: "node-b", ips: ["127.0.0.2"] }], "--model", "tiny")
  t.equal(well.code, 0)
  const subjects = well.findings.filter(({ rank }) => rank === 1).map(({ subject }) => subject)
  t.same(subjects, ["ssh", "program", "MLX", "address", "way", "memory", "model"])

  const ill = await doctor([
    nodeA,
    { ssh: "node-b", ips: ["127.0.0.2"], dir: "/no/such" },
    { ssh: "no-such-host.invalid" },
    { ssh: "node-b", ips: ["192.0.2.9"] },
  ])
  t.equal(ill.code, 1)
  const problems = ill.findings.filter(({ state }) => state === "problem")
  t.match(problems, [
    { rank: 1, subject: "ssh", text: /there is no mlx-cluster in \/no\/such on node-b/ },
    { rank: 2, subject: "ssh", text: /the name no-such-host\.invalid is not known/ },
    { rank: 3, subject: "address", text: /192\.0\.2\.9 is not an address of this host/ },
  ])
})
