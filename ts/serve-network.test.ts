// Two hosts, each in a network namespace of its own, joined by a link of 1 Gbit/s: the other rank is started through sshd,
// as in life. What mirroring and watching cost a rank itself is measured by the counters of /metrics, and whether a step
// plan is there when it is needed. In the full run once more with every byte between the ranks a millisecond late, through
// a proxy: not every kernel has netem.

import { spawnSync } from "node:child_process"
import { existsSync, writeFileSync } from "node:fs"
import { availableParallelism, loadavg } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import t, { type Test } from "tap"
import { STARTER_MODEL } from "./model-location.ts"
import { createDelayedRoute } from "./testing/delayed-route.ts"
import { createNetworkLink, noNetworkLink } from "./testing/network-link.ts"
import { startServer } from "./testing/server-process.ts"
import { noSshHost, startSshHost } from "./testing/ssh-host.ts"
import { until } from "./testing/until.ts"

const starter = fileURLToPath(new URL(`../../models/${STARTER_MODEL}`, import.meta.url))
const noModel = existsSync(starter) ? false : `the starter model is not at ${starter}: run make test`

/** Own time of plans and beats, at most, of a step: processor time, so that who else is busy does not matter. */
const OWN_SHARE = 0.03
/** Plans that are there when they are needed, at least. */
const IN_TIME_SHARE = 0.99
const REQUESTS = 4
const TOKENS = 320
/** A slower step leaves time for fewer of them. */
const DELAYED_TOKENS = 120
const DELAY_MS = 1
const REPORTS = 3
const ASK_MS = 120_000
/**
 * Of a rank that is kept from its core for a whole step nothing can be in time: then it is measured again, and where other
 * programs keep every core busy it is only told.
 */
const ATTEMPTS = 3

type Metrics = ReadonlyMap<string, number>

function parse(text: string): Metrics {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"))
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ")))]))
}

const of = (name: string, rank: number, part?: string) =>
  `mlx_cluster_rank_${name}{rank="${rank}"${part === undefined ? "" : `,part="${part}"`}}`
const percent = (share: number) => `${(share * 100).toFixed(3)} %`

async function measure(t: Test, delayMs: number, tokens: number): Promise<void> {
  const [load = 0] = loadavg()
  const isBusy = load > availableParallelism()
  const link = createNetworkLink("1gbit")
  t.teardown(() => link.close())
  const [inside, other] = link.enter
  const folder = t.testdir()
  const ssh = await startSshHost(join(folder, "ssh"), { "node-b": link.addresses[1] }, other)
  t.teardown(() => ssh.close())
  const delayed = delayMs === 0 ? null : createDelayedRoute(link.addresses[1], delayMs, other)
  t.teardown(() => delayed?.close())
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
    { enter: inside, ...(delayed === null ? {} : { route: delayed.route }) },
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
  const answer = (requests: number, part: number) =>
    ask(`const body = (n) => JSON.stringify({ prompt: "Tell me story number " + n, temperature: 0,
           max_tokens: ${tokens}, ignore_eos: true })
         const one = (n) => fetch("${address}/v1/completions", { method: "POST", body: body(n),
           headers: { "content-type": "application/json" } }).then((r) => r.json())
         Promise.all(Array.from({ length: ${requests} }, (_, n) => one(${part * REQUESTS} + n)))
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

  answer(1, 0)
  let share = 0
  let before = await settled()
  for (let attempt = 1; attempt <= (isBusy ? 1 : ATTEMPTS) && share < IN_TIME_SHARE; attempt++) {
    const beganMs = performance.now()
    answer(REQUESTS, attempt)
    const after = await settled()
    const elapsedS = (performance.now() - beganMs) / 1000
    const grown = (name: string) => (after.get(name) ?? 0) - (before.get(name) ?? 0)
    const steps = grown("mlx_cluster_step_time_seconds_count")
    const stepS = grown("mlx_cluster_step_time_seconds_sum")
    const plans = grown(of("plans_total", 1))
    t.ok(
      steps >= tokens && plans >= tokens,
      `${steps} steps of ${((stepS / steps) * 1000).toFixed(2)} ms, ${plans} plans`,
    )
    const beats = (rank: number) => grown(of("beat_seconds_total", rank)) / elapsedS
    const leader = (grown(of("plan_seconds_total", 0, "encode")) + grown(of("plan_seconds_total", 0, "send"))) / stepS
    const follower = grown(of("plan_seconds_total", 1, "decode")) / stepS
    const own = `encode and send ${percent(leader)}, receive and decode ${percent(follower)}, beats ${percent(beats(0))} and ${percent(beats(1))}`
    t.ok(Math.max(leader + beats(0), follower + beats(1)) <= OWN_SHARE, `own time of a step: ${own}`)
    const inTime = grown(of("plans_in_time_total", 1))
    const judged = inTime + grown(of("plans_late_total", 1))
    share = inTime / judged
    t.comment(`${inTime} of ${judged} plans are there before they are needed: ${percent(share)}`)
    before = after
  }
  const skip = isBusy ? `others keep this machine busy (load ${load.toFixed(1)}): run it by itself` : false
  t.ok(share >= IN_TIME_SHARE, `${percent(share)} of the plans are there before they are needed`, { skip })
  server.child.kill("SIGTERM")
  t.equal((await server.ended).code, 0)
}

const skip = noNetworkLink || noSshHost || noModel

t.test("what mirroring costs over 1 Gbit/s", { skip }, async (t) => await measure(t, 0, TOKENS))

t.test(
  "what mirroring costs over 1 Gbit/s with a delay of 1 ms each way",
  { skip: skip || (process.env["MLX_CLUSTER_ROUNDS"] === "full" ? false : "a test of make test-full") },
  async (t) => await measure(t, DELAY_MS, DELAYED_TOKENS),
)
