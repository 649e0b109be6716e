// A host that stays away: the others go on without it, with the requests that ran, and take it in when it is back.

import { writeFileSync } from "node:fs"
import { join } from "node:path"
import t from "tap"
import { streamAnswer } from "./testing/answer-stream.ts"
import { noSshHost, startSshHost } from "./testing/ssh-host.ts"
import { isAlive, startServer } from "./testing/server-process.ts"
import { until, untilReady } from "./testing/until.ts"

const PROMPT = "Count from 1 to 200."
const MAX_TOKENS = 120
/** Where no sshd listens. */
const NOBODY = "127.0.0.9"
const HOSTS = [
  { ssh: "node-a", ips: ["127.0.0.1"] },
  { ssh: "node-b", ips: ["127.0.0.2"] },
  { ssh: "node-c", ips: ["127.0.0.3"] },
]

interface Cluster {
  readonly size: number
  readonly members: readonly number[]
  readonly nodes: readonly { readonly rank: number; readonly state: string; readonly detail: string; pid: number }[]
  readonly links: readonly { readonly from: number; readonly to: number }[]
}

async function ask<Answer>(address: string): Promise<Answer> {
  const response = await fetch(address, { signal: AbortSignal.timeout(5_000) })
  // The server's own answer.
  return (await response.json()) as Answer
}

t.test("a host that stays away is left out, and taken in when it is back", { skip: noSshHost }, async (t) => {
  const folder = t.testdir()
  const ssh = await startSshHost(
    join(folder, "ssh"),
    Object.fromEntries(HOSTS.map(({ ssh, ips: [ip = ""] }) => [ssh, ip])),
  )
  t.teardown(() => ssh.close())
  /** Read anew by every ssh. */
  const lead = (address: string) => ssh.configWith("way", `Host node-b\n  HostName ${address}`)
  const hostfile = join(folder, "hostfile.json")
  writeFileSync(hostfile, JSON.stringify(HOSTS))
  const server = startServer({
    model: "tiny",
    hostfile,
    sshConfig: lead("127.0.0.2"),
    stateFolder: join(folder, "state"),
    http: { port: 0 },
    engine: { threads: 1 },
    shrinkAfterMs: 1_000,
    deadlines: { knockMs: 1_000 },
  })
  t.teardown(() => server.child.kill("SIGKILL"))
  const address = await server.ready
  const cluster = async () => await ask<Cluster>(`${address}/cluster`)
  const { text: expected } = await streamAnswer(address, PROMPT, MAX_TOKENS).ended
  const whole = await cluster()
  t.same(whole.members, [0, 1, 2])

  const stream = streamAnswer(address, PROMPT, MAX_TOKENS)
  await stream.pieces(10)
  lead(NOBODY)
  process.kill(whole.nodes[1]?.pid ?? 0, "SIGKILL")
  t.match(await stream.ended, { text: expected, error: null }, "the stream goes on over the ranks that are left")
  await untilReady(address)
  const fewer = await cluster()
  t.same(fewer.members, [0, 2])
  t.equal(fewer.size, 3)
  t.match(fewer.nodes, [
    { rank: 0, state: "active" },
    { rank: 1, state: "disconnected", detail: /^left out: .*nothing answers ssh on node-b/ },
    { rank: 2, state: "active" },
  ])
  t.same(
    fewer.links.map(({ from, to }) => [from, to]),
    [[0, 2]],
  )
  t.match(await ask(`${address}/ready`), {
    ready: true,
    detail: /^served by 2 of 3 ranks: rank 1 on .* is left out: /,
  })

  lead("127.0.0.2")
  await until(async () => (await cluster()).members.length === HOSTS.length)
  await untilReady(address)
  const again = await cluster()
  t.ok(again.nodes.every(({ state }) => state === "active"))
  t.equal((await streamAnswer(address, PROMPT, MAX_TOKENS).ended).text, expected)
  server.child.kill("SIGTERM")
  t.equal((await server.ended).code, 0)
  const pids = [...whole.nodes, ...fewer.nodes, ...again.nodes].map(({ pid }) => pid).filter((pid) => pid > 0)
  await until(() => !pids.some(isAlive))
})
