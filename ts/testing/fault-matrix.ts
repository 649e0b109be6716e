// Faults at a random token of running streams, against real processes. For each: noticed in time, the streams go on to
// the same text, service comes back by itself, nothing stays behind, memory stays. The measured times are in
// docs/faults.md. MLX_CLUSTER_ROUNDS=full (make test-full) takes five rounds with the deadlines of the product instead
// of one with shortened ones. MLX_CLUSTER_SEED repeats a run.

import { readFile, rename, writeFile } from "node:fs/promises"
import { join } from "node:path"
import type { Test } from "tap"
import { streamAnswer } from "./answer-stream.ts"
import { createFaultyLinks, type FaultyLinks } from "./faulty-links.ts"
import { createModelHomes } from "./model-homes.ts"
import { DAMAGED_HOME, OBSTACLES } from "./obstacle.ts"
import { isAlive, type ServerProcess, startServer } from "./server-process.ts"
import { until, untilReady } from "./until.ts"

export interface Scene {
  readonly server: ServerProcess
  readonly address: string
  readonly links: FaultyLinks
  /** Folders of obstacle.ts and of shim/group/fault-orders.h. */
  readonly obstacles: string
  readonly orders: string
  readonly size: number
  /** A whole number below `most`. */
  readonly random: (most: number) => number
}

export interface Fault {
  readonly name: string
  /** False: the answers go on and no rank is lost. */
  readonly isFatal: boolean
  inject(scene: Scene): Promise<void> | void
}

const isFull = process.env["MLX_CLUSTER_ROUNDS"] === "full"
const ROUNDS = isFull ? 5 : 1
const SEED = Number(process.env["MLX_CLUSTER_SEED"] ?? Math.floor(Math.random() * 2 ** 31))
/** The promise. */
const NOTICED_MS = 15_000
const LIMITS = isFull ? {} : { leaseMs: 2_000, stuckMs: 2_500 }
const DEADLINES = isFull ? {} : { silenceMs: 2_500, startMs: 10_000, abortGraceMs: 500 }
/** Of four ranks, unless the run is full: two ranks have all of them. */
const FAULTS_OF_FOUR = 2
const GROWTH_BYTES = 48 * 1024 * 1024
const PROMPTS = ["Count from 1 to 200.", "Count to ten."]
const MAX_TOKENS = 120

export function pick<Value>(values: readonly Value[], random: Scene["random"]): Value {
  const found = values[random(values.length)]
  if (found === undefined) throw new Error("nothing to pick from")
  return found
}

export async function nodes(address: string): Promise<{ state: string; pid: number }[]> {
  const response = await fetch(`${address}/cluster`, { signal: AbortSignal.timeout(5_000) })
  // The server's own answer.
  return ((await response.json()) as { nodes: { state: string; pid: number }[] }).nodes
}

/** To the collectives of one rank. The file comes whole. */
export async function order({ orders }: Scene, pid: number, words: string): Promise<void> {
  await writeFile(join(orders, `${pid}.new`), words)
  await rename(join(orders, `${pid}.new`), join(orders, String(pid)))
}

/** Runs the faults one after the other on one server of `size` ranks. */
export async function runFaults(
  t: Test,
  size: number,
  faults: readonly Fault[],
  transport: "tcp" | "jaccl" | "jaccl-ring" = "tcp",
): Promise<void> {
  const links = createFaultyLinks()
  const folder = t.testdir({ state: {}, obstacles: {}, orders: {} })
  const [obstacles, orders] = [join(folder, "obstacles"), join(folder, "orders")]
  const homes = createModelHomes()
  const server = startServer(
    {
      model: homes.model,
      stateFolder: join(folder, "state"),
      http: { port: 0 },
      localRanks: size,
      transport,
      deadlines: DEADLINES,
      engine: LIMITS,
    },
    {
      env: {
        [OBSTACLES]: obstacles,
        [DAMAGED_HOME]: homes.damaged,
        HOME: homes.whole,
        MLX_CLUSTER_TEST_FAULTS: orders,
      },
      route: links.route,
    },
  )
  t.teardown(() => {
    server.child.kill("SIGKILL")
    links.close()
    homes.close()
  })
  const address = await server.ready
  const random = createRandom(SEED + size)
  const scene: Scene = { server, address, links, obstacles, orders, size, random }
  const expected = await Promise.all(
    PROMPTS.map(async (prompt) => (await streamAnswer(address, prompt, MAX_TOKENS).ended).text),
  )
  const front = server.child.pid ?? 0
  const times: string[] = []
  let warm = 0
  for (let round = 0; round < ROUNDS; round++) {
    for (const fault of chosen(faults, size, random)) {
      await t.test(`${fault.name}, ${size} ranks over ${transport}, round ${round}, seed ${SEED}`, async (t) => {
        times.push(await endure(t, scene, fault, expected))
      })
      if (warm === 0 && process.platform === "linux") warm = await residentBytes(front)
    }
  }
  if (process.platform === "linux") {
    const grown = (await residentBytes(front)) - warm
    t.ok(grown < GROWTH_BYTES, `the front grew by ${(grown / 1024 / 1024).toFixed(1)} MiB over ${times.length} faults`)
  }
  t.comment(`over ${transport}: fault | ranks | noticed, ms | back, ms\n${times.join("\n")}`)
  const pids = server.ranks()
  server.child.kill("SIGTERM")
  t.equal((await server.ended).code, 0)
  await until(() => !pids.some(isAlive))
}

function chosen(faults: readonly Fault[], size: number, random: Scene["random"]): readonly Fault[] {
  if (isFull || size === 2) return faults
  const shuffled = faults.map((fault) => ({ fault, place: random(2 ** 30) })).toSorted((a, b) => a.place - b.place)
  return shuffled.slice(0, FAULTS_OF_FOUR).map(({ fault }) => fault)
}

async function endure(t: Test, scene: Scene, fault: Fault, expected: readonly string[]): Promise<string> {
  const { server, address, random } = scene
  const before = server.ranks()
  const streams = PROMPTS.map((prompt) => streamAnswer(address, prompt, MAX_TOKENS))
  const first = streams[0]
  if (first === undefined) throw new Error("no prompt")
  const token = 1 + random(MAX_TOKENS / 2)
  await first.pieces(token)
  const down = server.line(/starting again/).then(() => performance.now())
  const injected = performance.now()
  await fault.inject(scene)
  let noticedMs = 0
  if (fault.isFatal) {
    noticedMs = (await down) - injected
    t.ok(noticedMs < NOTICED_MS, `noticed after ${noticedMs.toFixed(0)} ms`)
  }
  const answers = await Promise.all(streams.map(async (stream) => await stream.ended))
  t.same(
    answers.map(({ text, error }) => ({ text, error })),
    expected.map((text) => ({ text, error: null })),
    `the streams go on after token ${token}`,
  )
  await untilReady(address)
  const backMs = performance.now() - injected
  const after = server.ranks()
  t.equal(after.length, scene.size, "all ranks are there")
  if (fault.isFatal) await until(() => !before.some(isAlive))
  else t.same(after, before, "no rank was lost")
  return `${fault.name} | ${scene.size} | ${noticedMs.toFixed(0)} | ${backMs.toFixed(0)}`
}

async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8")
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024
}

/** mulberry32: the rounds of a seed can be run again. */
function createRandom(seed: number): Scene["random"] {
  let state = seed
  return (most) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * most)
  }
}
