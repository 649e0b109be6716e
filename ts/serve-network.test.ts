// Two hosts, each in a network namespace of its own, joined by a link of 1 Gbit/s: the other rank is started through sshd,
// as in life. What mirroring and watching cost a rank itself is measured by the counters of /metrics, and whether a step
// plan is there when it is needed.

import { spawnSync } from "node:child_process"
import { existsSync, writeFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import t from "tap"
import { STARTER_MODEL } from "./model-location.ts"
import { createNetworkLink, noNetworkLink } from "./testing/network-link.ts"
import { startServer } from "./testing/server-process.ts"
import { noSshHost, startSshHost } from "./testing/ssh-host.ts"
import { until } from "./testing/until.ts"

const starter = fileURLToPath(new URL(`../../models/${STARTER_MODEL}`, import.meta.url))
const noModel = existsSync(starter) ? false : `the starter model is not at ${starter}: run make test`

/** Two ranks, each with a thread that computes and one that plans, and the front. */
const CORES = 4
/**
 * Own time of plans and beats, at most, of a step. The counters are wall clock: where the ranks share fewer cores, what
 * they wait for a core is in them too, and the bound is only a bound.
 */
const OWN_SHARE = availableParallelism() >= CORES ? 0.03 : 0.1
/** Plans that are there when they are needed, at least. */
const IN_TIME_SHARE = 0.99
const REQUESTS = 4
const TOKENS = 320
const REPORTS = 3
const ASK_MS = 120_000

type Metrics = ReadonlyMap<string, number>

function parse(text: string): Metrics {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"))
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ")))]))
}

t.test("what mirroring costs over 1 Gbit/s", { skip: noNetworkLink || noSshHost || noModel }, async (t) => {
  const link = createNetworkLink("1gbit")
  t.teardown(() => link.close())
  const [inside, other] = link.enter
  const folder = t.testdir()
  const ssh = await startSshHost(join(folder, "ssh"), { "node-b": link.addresses[1] }, other)
  t.teardown(() => ssh.close())
  const hostfile = join(folder, "hostfile.json")
  writeFileSync(
    hostfile,
    JSON.stringify([
      { ssh: "node-a", ips: [link.addresses[0]] },
      { ssh: "node-b", ips: [link.addresses[1]] },
    ]),
  )
  const server = startServer(
    {
      model: starter,
      hostfile,
      sshConfig: ssh.config,
      stateFolder: join(folder, "state"),
      http: { port: 0 },
      engine: { threads: 1 },
    },
    { enter: inside },
  )
  t.teardown(() => server.child.kill("SIGKILL"))
  const address = await server.ready

  /** From inside the namespace: the server listens on its loopback. */
  const ask = (script: string): string => {
    const [program = "ip", ...words] = inside
    const { stdout, stderr, status } = spawnSync(program, [...words, process.execPath, "-e", script], {
      encoding: "utf8",
      timeout: ASK_MS,
      env: { ...process.env, NODE_OPTIONS: "" },
    })
    if (status !== 0) throw new Error(`${stderr}${stdout}`)
    return stdout
  }
  const metrics = (): Metrics =>
    parse(ask(`fetch("${address}/metrics").then((r) => r.text()).then((x) => process.stdout.write(x))`))
  const of = (name: string, rank: number, part?: string) =>
    `mlx_cluster_rank_${name}{rank="${rank}"${part === undefined ? "" : `,part="${part}"`}}`
  const answer = (requests: number) =>
    ask(`const body = (n) => JSON.stringify({ prompt: "Tell me story number " + n, temperature: 0,
           max_tokens: ${TOKENS}, ignore_eos: true })
         const one = (n) => fetch("${address}/v1/completions", { method: "POST", body: body(n),
           headers: { "content-type": "application/json" } }).then((r) => r.json())
         Promise.all(Array.from({ length: ${requests} }, (_, n) => one(n)))
           .then((all) => process.stdout.write(all.map((x) => x.usage.completion_tokens).join(" ")))`)
  /** Both ranks have told of all plans so far, which they do every 2 s. */
  const settled = async (): Promise<Metrics> => {
    const first = metrics()
    let last = first
    await until(() => {
      last = metrics()
      // Two reports of each rank later nothing older is under way.
      const beats = [0, 1].map((rank) => [last, first].map((one) => one.get(of("beats_total", rank)) ?? 0))
      const isNew = beats.every(([now = 0, then = 0]) => now - then >= REPORTS)
      const sent = last.get(of("plans_total", 0)) ?? 0
      return isNew && sent > 0 && sent === last.get(of("plans_total", 1))
    })
    return last
  }

  answer(1)
  const before = await settled()
  const beganMs = performance.now()
  answer(REQUESTS)
  const after = await settled()
  const elapsedS = (performance.now() - beganMs) / 1000
  const grown = (name: string) => (after.get(name) ?? 0) - (before.get(name) ?? 0)

  const steps = grown("mlx_cluster_step_time_seconds_count")
  const stepS = grown("mlx_cluster_step_time_seconds_sum")
  const plans = grown(of("plans_total", 1))
  t.ok(steps >= TOKENS && plans >= TOKENS, `${steps} steps, ${plans} plans`)
  const beats = (rank: number) => grown(of("beat_seconds_total", rank)) / elapsedS
  const leader = (grown(of("plan_seconds_total", 0, "encode")) + grown(of("plan_seconds_total", 0, "send"))) / stepS
  const follower = grown(of("plan_seconds_total", 1, "decode")) / stepS
  const percent = (share: number) => `${(share * 100).toFixed(3)} %`
  t.comment(
    `a step ${((stepS / steps) * 1000).toFixed(2)} ms; plans: encode and send ${percent(leader)}, decode ${percent(follower)}; ` +
      `beats: rank 0 ${percent(beats(0))}, rank 1 ${percent(beats(1))}`,
  )
  t.ok(leader + beats(0) <= OWN_SHARE, `rank 0 spends ${percent(leader + beats(0))} of a step itself`)
  t.ok(follower + beats(1) <= OWN_SHARE, `rank 1 spends ${percent(follower + beats(1))} of a step itself`)
  const inTime = grown(of("plans_in_time_total", 1))
  const late = grown(of("plans_late_total", 1))
  t.ok(inTime + late > 0)
  const share = inTime / (inTime + late)
  t.ok(
    share >= IN_TIME_SHARE,
    `${inTime} of ${inTime + late} plans are there before they are needed: ${percent(share)}`,
  )

  server.child.kill("SIGTERM")
  t.equal((await server.ended).code, 0)
})
