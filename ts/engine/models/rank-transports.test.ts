// Every way that collectives can go, as real rank processes: what they add up, and that no damage ends in a wait or in a
// wrong number. JACCL is MLX's own, over fake verbs (crates/mlx-jaccl-rs/fake-verbs).

import { fork } from "node:child_process"
import { once } from "node:events"
import { renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import t, { type Test } from "tap"
import { VOCABULARY, writeRandomModel } from "./random-model-fixture.ts"
import type { GroupRankAnswer, GroupRankOrder, GroupRankStart, GroupRankWay } from "./rank-group-fixture.ts"

const ROOT = fileURLToPath(new URL("../../../../", import.meta.url))
const JACCL = process.env["MLX_CLUSTER_JACCL"] ?? join(ROOT, "target/fake-verbs/libmlx_jaccl_verbs.so")
const NONCE = "c3".repeat(32)
const OPERATION_MS = 60_000
const folder = t.testdir({ faults: {} })
writeRandomModel(folder)
const skip = process.platform === "linux" ? false : "fake verbs are for Linux"

type Executor = NonNullable<GroupRankStart["executor"]>

interface Rank {
  readonly pid: number
  readonly port: number
  obey(order: GroupRankOrder): Promise<GroupRankAnswer>
}

async function startRank(t: Test, rank: number, session: string, executor: Executor = "auto"): Promise<Rank> {
  const env = { ...process.env, FAKE_VERBS_SESSION: session, MLX_CLUSTER_TEST_FAULTS: join(folder, "faults") }
  const child = fork(fileURLToPath(new URL("./rank-group-fixture.js", import.meta.url)), {
    env,
    execArgv: [],
    serialization: "advanced",
  })
  t.teardown(() => child.kill("SIGKILL"))
  const next = async (): Promise<GroupRankAnswer> => (await once(child, "message"))[0]
  child.send({ rank, folder, operationMs: OPERATION_MS, executor } satisfies GroupRankStart)
  const { port = 0 } = await next()
  return {
    pid: child.pid ?? 0,
    port,
    obey(order) {
      child.send(order)
      return next()
    },
  }
}

/** A cable between every two ranks. */
function devicesOf(size: number): string[][][] {
  const ranks = Array.from({ length: size }, (_, rank) => rank)
  return ranks.map((from) => ranks.map((to) => (from === to ? [] : [`rdma_en${2 + ((to + size - from) % size)}`])))
}

let sessions = 0

async function startGroup(t: Test, size: number, way: GroupRankWay, executor?: Executor): Promise<Rank[]> {
  const session = `${process.pid}.${sessions++}`
  const ranks = await Promise.all(Array.from({ length: size }, (_, rank) => startRank(t, rank, session, executor)))
  const ports = ranks.map(({ port }) => port)
  const over = way.backend?.startsWith("jaccl") === true ? { devices: devicesOf(size), jacclPath: JACCL } : {}
  const order = { kind: "connect", ports, nonce: NONCE, connectMs: 20_000, way: { ...over, ...way } } as const
  const met = await Promise.all(ranks.map((rank) => rank.obey(order)))
  t.same(
    met,
    ranks.map(() => ({})),
    "the ranks meet",
  )
  return ranks
}

async function collectAll(ranks: readonly Rank[], rows: number): Promise<GroupRankAnswer[]> {
  const tokens = Array.from({ length: rows }, (_, i) => (i * 7) % VOCABULARY)
  return await Promise.all(ranks.map((rank) => rank.obey({ kind: "collect", tokens })))
}

function pick<T>(list: readonly T[], at: number): T {
  const found = list[at]
  if (found === undefined) throw new Error(`there is no ${at}`)
  return found
}

function bytesOf(values: Float32Array = new Float32Array()): Buffer {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength)
}

function isNear(sum: Float32Array | undefined, parts: readonly Float32Array[]): boolean {
  return (
    sum?.every((value, i) => Math.abs(value - parts.reduce((all, part) => all + (part[i] ?? 0), 0)) < 1e-5) === true
  )
}

const WAYS = [
  { backend: "tcp", name: "tcp", sizes: [2, 3, 4] },
  { backend: "jaccl", name: "jaccl-mesh", sizes: [2, 3, 4] },
  { backend: "jaccl-ring", name: "jaccl-ring", sizes: [2, 3, 4] },
  { backend: "ring", name: "ring", sizes: [2, 3] },
] as const

/** Quick limits: silence ends the group after 1 s, standing still after 1.5 s. */
const QUICK = { beatMs: 50, leaseMs: 1000, stuckMs: 1500 } as const

for (const { backend, name, sizes } of WAYS) {
  for (const size of sizes) {
    t.test(`${size} ranks hold the same bits of a sum over ${name}, small or large`, { skip }, async (t) => {
      const ranks = await startGroup(t, size, { backend })
      // 1300 rows are sealed apart; 3 rows are less than a frame of RDMA.
      for (const rows of [3, 200, 1300]) {
        const answers = await collectAll(ranks, rows)
        const own = answers.map((answer) => answer.own ?? new Float32Array())
        const first = bytesOf(pick(answers, 0).sum)
        for (const { error, sum, gathered } of answers) {
          t.equal(error, undefined)
          t.ok(isNear(sum, own) && first.equals(bytesOf(sum)), `a sum of ${rows} rows`)
          const width = 64
          const side = gathered?.every((value, i) => {
            const [row, rank, column] = [Math.floor(i / (width * size)), Math.floor(i / width) % size, i % width]
            return value === own[rank]?.[row * width + column]
          })
          t.equal(side, true, `rows of ${rows} side by side`)
        }
      }
      const { counters } = await pick(ranks, 0).obey({ kind: "count" })
      t.match(counters, { backend: name, size, isGuarded: true, lost: undefined })
    })
  }
}

t.test(
  "collectives are nodes of MLX's graph where it runs the operations, and fail as the others do",
  { skip },
  async (t) => {
    const ranks = await startGroup(t, 2, { backend: "tcp", ...QUICK }, "mlx")
    for (const rows of [3, 1300]) {
      const answers = await collectAll(ranks, rows)
      const own = answers.map((answer) => answer.own ?? new Float32Array())
      for (const { error, sum, gathered } of answers) {
        t.equal(error, undefined)
        t.ok(isNear(sum, own) && bytesOf(pick(answers, 0).sum).equals(bytesOf(sum)), `a sum of ${rows} rows`)
        t.equal(gathered?.length, (sum?.length ?? 0) * 2)
      }
    }
    const [first, second] = [pick(ranks, 0), pick(ranks, 1)]
    const waiting = first.obey({ kind: "collect", tokens: [1] })
    process.kill(second.pid, "SIGSTOP")
    t.match(await waiting, { error: /^rank group lost: rank 1 gave no sign of life/u })
    t.match(await first.obey({ kind: "collect", tokens: [1] }), { error: /^rank group lost: / }, "for good")
  },
)

/** What is done to rank 1, and what rank 0 then says. `both`: rank 1 takes part, and says so too. */
const DAMAGE = [
  { name: "killed", signal: "SIGKILL", says: /rank 1 closed its connection/u },
  { name: "stopped", signal: "SIGSTOP", says: /rank 1 gave no sign of life for 1 s/u },
  { name: "a damaged message", faults: "corrupt", says: /a message was (damaged|lost)|one was lost/u },
  { name: "a lost message", faults: "drop", says: /a message was lost|one was lost/u },
  { name: "a dead cable", faults: "cable", says: /nothing has moved for 1\.5 s .*a cable is dead/u },
] as const

for (const { backend, name } of WAYS.slice(0, 3)) {
  for (const damage of DAMAGE) {
    t.test(`${damage.name} over ${name} is an error of the step that says so`, { skip }, async (t) => {
      const ranks = await startGroup(t, 2, { backend, ...QUICK })
      const [first, second] = [pick(ranks, 0), pick(ranks, 1)]
      t.match(await collectAll(ranks, 2), [{ error: undefined }, { error: undefined }])
      const order = { kind: "collect", tokens: [1, 2, 3] } as const
      if ("signal" in damage) {
        const waiting = first.obey(order)
        process.kill(second.pid, damage.signal)
        t.match(await waiting, { error: damage.says })
      } else {
        // Whole at once: the rank takes it as soon as it is there.
        writeFileSync(join(folder, "faults", "order"), damage.faults)
        renameSync(join(folder, "faults", "order"), join(folder, "faults", String(second.pid)))
        const answers = await Promise.all([first.obey(order), second.obey(order)])
        // Who finds it first tells the other.
        for (const { error } of answers) t.match(error, /^rank group lost: /u)
        t.ok(
          answers.some(({ error }) => error !== undefined && damage.says.test(error)),
          answers.map(({ error }) => error).join("; "),
        )
      }
      const again = await first.obey(order)
      t.match(again, { error: /^rank group lost: / }, "and of every later one")
    })
  }
  t.test(`a slow link is no damage over ${name}`, { skip }, async (t) => {
    const ranks = await startGroup(t, 2, { backend, ...QUICK })
    writeFileSync(join(folder, "faults", String(pick(ranks, 1).pid)), "lat_us=30000 mbps=20")
    for (let round = 0; round < 5; round++) {
      t.match(await collectAll(ranks, 40), [{ error: undefined }, { error: undefined }])
    }
  })
}

t.test("a rank without RDMA, or with other cables, tells all others why it does not come", { skip }, async (t) => {
  const session = `${process.pid}.${sessions++}`
  const ranks = await Promise.all([0, 1].map((rank) => startRank(t, rank, session)))
  const ports = ranks.map(({ port }) => port)
  const way = {
    backend: "jaccl",
    devices: [
      [[], ["rdma_en9"]],
      [["rdma_en2"], []],
    ],
    jacclPath: JACCL,
  }
  const order = { kind: "connect", ports, nonce: NONCE, connectMs: 10_000, way } as const
  const [unknown, other] = await Promise.all(ranks.map((rank) => rank.obey(order)))
  t.match(unknown, { error: /rdma_en9|device/iu })
  t.match(other, { error: /^rank group lost: rank 0 gave up: / })
})

t.test("NCCL is refused where MLX has none, and JACCL where its library is not", { skip }, async (t) => {
  const refuse = async (way: GroupRankWay): Promise<GroupRankAnswer> => {
    const rank = await startRank(t, 0, "")
    return await rank.obey({ kind: "connect", ports: [rank.port], nonce: NONCE, connectMs: 5000, way })
  }
  t.match(await refuse({ backend: "nccl" }), { error: /this MLX has no NCCL: it needs the CUDA build/u })
  const jacclPath = "/nowhere/libmlx_jaccl_verbs.so"
  t.match(await refuse({ backend: "jaccl", devices: [[[]]], jacclPath }), { error: /JACCL is not here/u })
})
