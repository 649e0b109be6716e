// One model over ranks that a real sshd starts: the same answers as from one rank, a killed remote rank heals, nothing is
// left behind, and what goes wrong on the way is one sentence.

import { spawnSync } from "node:child_process"
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs"
import { createServer, type Socket } from "node:net"
import { join } from "node:path"
import t, { type Test } from "tap"
import { noSshHost, type SshHost, startSshHost } from "./testing/ssh-host.ts"
import { isAlive, type ServerProcess, startServer } from "./testing/server-process.ts"
import { readyStatus, until } from "./testing/until.ts"
import type { ServeOptions } from "./main.ts"

const PROMPTS = ["What is the capital of France?", "Count to ten.", "Tell me a story about a fox.", "What is 3 + 4?"]
const ANSWER_MS = 60_000

async function complete(address: string, prompt: string): Promise<string> {
  const response = await fetch(`${address}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ prompt, temperature: 0, max_tokens: 32 }),
    signal: AbortSignal.timeout(ANSWER_MS),
  })
  const body: unknown = await response.json()
  if (typeof body !== "object" || body === null || !("choices" in body) || !Array.isArray(body.choices)) {
    throw new Error(`${response.status}: ${JSON.stringify(body)}`)
  }
  return String(body.choices[0]?.text)
}

const all = async (address: string): Promise<readonly string[]> =>
  await Promise.all(PROMPTS.map((prompt) => complete(address, prompt)))

interface Node {
  readonly rank: number
  readonly pid: number
  readonly hostname: string
}

async function nodes(address: string): Promise<Node[]> {
  const response = await fetch(`${address}/cluster`, { signal: AbortSignal.timeout(ANSWER_MS) })
  const body: unknown = await response.json()
  if (typeof body !== "object" || body === null || !("nodes" in body) || !Array.isArray(body.nodes)) return []
  return body.nodes
}

function writeHostfile(t: Test, hosts: readonly object[]): string {
  const path = join(t.testdir(), "hostfile.json")
  writeFileSync(path, JSON.stringify(hosts))
  return path
}

const NODE_A = { ssh: "node-a", ips: ["127.0.0.1"] }
const NODE_B = { ssh: "node-b", ips: ["127.0.0.2"] }
const TWO_HOSTS = [NODE_A, NODE_B]

function start(t: Test, options: ServeOptions): ServerProcess {
  const server = startServer({
    model: "tiny",
    stateFolder: join(t.testdirName, "state"),
    http: { port: 0 },
    engine: { threads: 1 },
    ...options,
  })
  t.teardown(() => server.child.kill("SIGKILL"))
  return server
}

async function stop(server: ServerProcess): Promise<number | null> {
  server.child.kill("SIGTERM")
  return (await server.ended).code
}

function childrenNamed(parent: number, name: string): number[] {
  const { stdout } = spawnSync("ps", ["-A", "-o", "pid=,ppid=,comm="], { encoding: "utf8" })
  return stdout
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([, ppid, comm]) => Number(ppid) === parent && comm === name)
    .map(([pid]) => Number(pid))
}

const LISTENING = "0A"

/** "address:port" of every TCP listener of these processes. */
function listeners(pids: readonly number[]): string[] {
  const open = new Set(
    pids.flatMap((pid) =>
      readdirSync(`/proc/${pid}/fd`).map((fd) => {
        try {
          return readlinkSync(`/proc/${pid}/fd/${fd}`)
        } catch {
          return ""
        }
      }),
    ),
  )
  const lines = ["tcp", "tcp6"].flatMap((file) => readFileSync(`/proc/net/${file}`, "utf8").split("\n").slice(1))
  return lines
    .map((line) => line.trim().split(/\s+/))
    .filter((columns) => columns[3] === LISTENING && open.has(`socket:[${columns[9]}]`))
    .map(([, local = ""]) => {
      const [address = "", port = ""] = local.split(":")
      const bytes = [...Buffer.from(address, "hex")].toReversed()
      return `${bytes.length === 4 ? bytes.join(".") : address}:${Number.parseInt(port, 16)}`
    })
}

t.test("over two hosts", { skip: noSshHost }, async (t) => {
  const ssh: SshHost = await startSshHost(t.testdir(), {
    "node-a": "127.0.0.1",
    "node-b": "127.0.0.2",
    "node-c": "127.0.0.3",
    "node-d": "127.0.0.4",
  })
  let expected: readonly string[] = []
  t.teardown(() => ssh.close())

  await t.test("a model answers as over one rank, heals a killed remote rank, and leaves nothing behind", async (t) => {
    const hostfile = writeHostfile(t, TWO_HOSTS)
    const alone = start(t, {})
    expected = await all(await alone.ready)
    t.equal(await stop(alone), 0)

    const server = start(t, { hostfile, sshConfig: ssh.config })
    const address = await server.ready
    t.same(await all(address), expected)
    const before = await nodes(address)
    t.same(
      before.map(({ rank }) => rank),
      [0, 1],
    )
    t.equal(server.ranks().length, 1, "one rank is a child of the front, the other one of sshd")
    const remote = before[1]?.pid ?? 0
    const args = spawnSync("ps", ["-A", "-ww", "-o", "args="], { encoding: "utf8" }).stdout
    const secret = readFileSync(join(t.testdirName, "state", "secret")).toString("hex")
    t.notOk(args.includes(secret), "no command line holds the secret")
    const open = listeners([server.child.pid ?? 0, ...before.map(({ pid }) => pid)])
    t.ok(open.length > 0 && open.every((one) => /^127\.0\.0\.[12]:/.test(one)), `they listen at ${open.join(" ")}`)

    const running = all(address)
    process.kill(remote, "SIGKILL")
    t.same(await running, expected, "requests that ran when the remote rank was killed are answered")
    const after = await nodes(address)
    t.ok(after[1] !== undefined && after[1].pid !== remote, "by a new one")

    const sshClient = childrenNamed(server.child.pid ?? 0, "ssh")[0] ?? 0
    process.kill(sshClient, "SIGKILL")
    // The front may not have noticed yet when the rank is gone: a new one has to be there.
    await until(async () => {
      const now = (await nodes(address))[1]?.pid ?? null
      return now !== null && now !== after[1]?.pid && (await readyStatus(address)) === 200
    })
    t.notOk(isAlive(after[1]?.pid ?? 0), "the rank behind it is gone")
    t.same(await all(address), expected, "a cut ssh connection ends the rank behind it and heals")
    const last = await nodes(address)
    t.equal(await stop(server), 0)
    await until(() => ![...before, ...after, ...last].some(({ pid }) => isAlive(pid)))
  })

  await t.test("four hosts answer as one does", async (t) => {
    // The last one says no address: it takes the one that leads to the first.
    const more = [{ ssh: "node-c", ips: ["127.0.0.3"] }, { ssh: "node-d" }]
    const server = start(t, { hostfile: writeHostfile(t, [...TWO_HOSTS, ...more]), sshConfig: ssh.config })
    const address = await server.ready
    const [capital = "", count = ""] = PROMPTS
    t.same(await Promise.all([complete(address, capital), complete(address, count)]), expected.slice(0, 2))
    const found = await nodes(address)
    t.equal(found.length, 4)
    t.equal(await stop(server), 0)
    await until(() => !found.some(({ pid }) => isAlive(pid)))
  })

  await t.test("a front that is killed leaves no rank on the other host", async (t) => {
    const server = start(t, { hostfile: writeHostfile(t, TWO_HOSTS), sshConfig: ssh.config })
    const found = await nodes(await server.ready)
    // A stopped rank cannot leave by itself: its guard ends it.
    process.kill(found[1]?.pid ?? 0, "SIGSTOP")
    server.child.kill("SIGKILL")
    await until(() => !found.some(({ pid }) => isAlive(pid)))
    t.pass("both are gone")
  })

  const failures = [
    {
      what: "a key that the host does not know",
      hosts: TWO_HOSTS,
      config: () => ssh.configWith("wrong-key", "Host *\n  IdentityAgent none", "other_key"),
      says: /node-b refuses this user's key: run ssh-copy-id node-b/u,
    },
    {
      what: "another host key than the known one",
      hosts: TWO_HOSTS,
      config: () => ssh.configWith("wrong-host", "Host *\n  UserKnownHostsFile /dev/null"),
      says: /the host key of node-b is not the known one/u,
    },
    {
      what: "a host without sshd",
      hosts: [NODE_A, { ssh: "node-x", ips: ["127.0.0.2"] }],
      config: () => ssh.configWith("refused", "Host node-x\n  HostName 127.0.0.9"),
      says: /nothing answers ssh on node-x: turn on Remote Login/u,
    },
    {
      what: "an unknown name",
      hosts: [NODE_A, { ssh: "no-such-host.invalid", ips: ["127.0.0.2"] }],
      config: () => ssh.config,
      says: /the name no-such-host\.invalid is not known/u,
    },
    {
      what: "a host without this program",
      hosts: [NODE_A, { ...NODE_B, dir: "~/no/such folder" }],
      config: () => ssh.config,
      says: /there is no mlx-cluster in ~\/no\/such folder on node-b: run mlx-cluster bootstrap/u,
    },
    {
      what: "an address that is not of this machine",
      hosts: [{ ssh: "node-a", ips: ["192.0.2.7"] }, NODE_B],
      config: () => ssh.config,
      says: /cannot listen on 192\.0\.2\.7:0.*mend ips of hosts\[0\] in the hostfile/u,
    },
  ]
  await t.test("what keeps a host from taking part is said in a sentence", async (t) => {
    const folder = t.testdir()
    const started = failures.map(({ hosts, config }, at) => {
      const path = join(folder, `hostfile${at}.json`)
      writeFileSync(path, JSON.stringify(hosts))
      return start(t, { hostfile: path, sshConfig: config(), stateFolder: join(folder, "state") })
    })
    for (const [at, { what, says }] of failures.entries()) {
      const { code, stderr } = (await started[at]?.ended) ?? { code: null, stderr: "" }
      t.equal(code, 1)
      // Ranks may write after the server has said why it ends.
      t.match(
        stderr.split("\n").findLast((line) => line.startsWith("mlx-cluster: ")),
        says,
        what,
      )
    }
  })

  await t.test("a host whose sshd hangs is given up, and ends at the first signal", async (t) => {
    const sockets: Socket[] = []
    const silent = createServer((socket) => sockets.push(socket)).listen(0, "127.0.0.10")
    await until(() => silent.listening)
    const bound = silent.address()
    const port = bound === null || typeof bound === "string" ? 0 : bound.port
    t.teardown(() => {
      for (const socket of sockets) socket.destroy()
      silent.close()
    })
    const config = ssh.configWith("hangs", `Host node-y\n  HostName 127.0.0.10\n  Port ${port}`)
    const server = start(t, { hostfile: writeHostfile(t, [NODE_A, { ssh: "node-y" }]), sshConfig: config })
    let stderr = ""
    server.child.stderr?.on("data", (text: string) => {
      stderr += text
    })
    await until(() => stderr.includes("node-y cannot be reached: is it on, on this network, and not asleep?"))
    t.equal(await stop(server), 0)
  })
})

t.test("several hosts and several local ranks exclude each other", async (t) => {
  const server = start(t, { hostfile: writeHostfile(t, TWO_HOSTS), localRanks: 2 })
  const { code, stderr } = await server.ended
  t.equal(code, 2)
  t.match(stderr, /the hostfile names 2 hosts, each of which runs one rank/u)
})
