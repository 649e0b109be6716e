// The rank group over TCP: sums and gathers of several engines, strangers at the door, ranks that are gone or stuck.

import { once } from "node:events"
import { connect } from "node:net"
import { setInterval } from "node:timers/promises"
import { Worker } from "node:worker_threads"
import { abortGroups, groupCounters } from "mlx-jaccl-rs"
import t, { type Test } from "tap"
import { VOCABULARY, writeRandomModel } from "./random-model-fixture.ts"
import type { GroupRankAnswer, GroupRankOrder, GroupRankStart } from "./rank-group-fixture.ts"

const NONCE = "5a".repeat(32)
const CONNECT_MS = 10_000
const folder = t.testdir()
writeRandomModel(folder)

/** Ranks by number; asking for one that was not started is an error of the test. */
function pick(ranks: readonly Rank[], rank: number): Rank {
  const found = ranks[rank]
  if (found === undefined) throw new Error(`there is no rank ${rank}`)
  return found
}

interface Rank {
  readonly port: number
  obey(order: GroupRankOrder): Promise<GroupRankAnswer>
}

async function startRanks(
  t: Test,
  size: number,
  operationMs = 20_000,
  executor: GroupRankStart["executor"] = "auto",
): Promise<Rank[]> {
  return await Promise.all(
    Array.from({ length: size }, async (_, rank): Promise<Rank> => {
      const start: GroupRankStart = { rank, folder, operationMs, executor }
      const worker = new Worker(new URL("./rank-group-fixture.js", import.meta.url), { workerData: start })
      t.teardown(() => worker.terminate())
      const next = async (): Promise<GroupRankAnswer> => (await once(worker, "message"))[0]
      const { port = 0 } = await next()
      return {
        port,
        obey(order) {
          worker.postMessage(order, [])
          return next()
        },
      }
    }),
  )
}

async function joinAll(ranks: readonly Rank[], connectMs = CONNECT_MS): Promise<GroupRankAnswer[]> {
  const ports = ranks.map(({ port }) => port)
  return await Promise.all(ranks.map((rank) => rank.obey({ kind: "connect", ports, nonce: NONCE, connectMs })))
}

for (const size of [2, 3, 4]) {
  t.test(`${size} ranks hold the same bits of a sum in rank order, small or large`, async (t) => {
    const ranks = await startRanks(t, size)
    t.same(
      await joinAll(ranks),
      ranks.map(() => ({})),
    )
    for (const rows of [1, 3, 401]) {
      const tokens = Array.from({ length: rows }, (_, i) => (i * 7) % VOCABULARY)
      const answers = await Promise.all(ranks.map((rank) => rank.obey({ kind: "collect", tokens })))
      const parts = answers.map(({ own }) => own ?? new Float32Array())
      const expected = (parts[0] ?? new Float32Array()).slice()
      for (const part of parts.slice(1))
        part.forEach((value, i) => (expected[i] = Math.fround((expected[i] ?? 0) + value)))
      for (const { error, sum } of answers) t.ok(error === undefined && same(sum, expected), `a sum of ${rows} rows`)
      const width = expected.length / rows
      const gathered = Float32Array.from({ length: expected.length * size }, (_, i) => {
        const [row, rank, column] = [Math.floor(i / (width * size)), Math.floor(i / width) % size, i % width]
        return parts[rank]?.[row * width + column] ?? Number.NaN
      })
      for (const answer of answers) t.ok(same(answer.gathered, gathered), `rows of ${rows} side by side`)
    }
    await Promise.all(ranks.map((rank) => rank.obey({ kind: "leave" })))
  })
}

function same(a: Float32Array | undefined, b: Float32Array): boolean {
  return a !== undefined && Buffer.from(a.buffer).equals(Buffer.from(b.buffer))
}

for (const executor of ["auto", "mlx"] as const) {
  t.test(`a vocabulary that is divided over the ranks gives the logits of one rank (${executor})`, async (t) => {
    const tokens = [0, 95, 31, 32, 33, 5, 80]
    for (const shares of [
      [
        [0, 48],
        [48, 96],
      ],
      [
        [0, 32],
        [32, 80],
        [80, 96],
      ],
    ] as const) {
      const ranks = await startRanks(t, shares.length, 20_000, executor)
      await joinAll(ranks)
      const answers = await Promise.all(ranks.map((rank) => rank.obey({ kind: "divide", shares, tokens })))
      for (const { error, gathered = new Float32Array(), whole = new Float32Array(), best } of answers) {
        t.equal(error, undefined)
        if (executor === "auto") t.ok(same(gathered, whole), "to the bit")
        else t.ok(gathered.every((value, i) => Math.abs(value - (whole[i] ?? Number.NaN)) < 1e-4))
        const rows = tokens.map((_, row) => [...whole.subarray(row * VOCABULARY, (row + 1) * VOCABULARY)])
        t.same(
          [...(best ?? [])],
          rows.map((row) => row.indexOf(Math.max(...row))),
          "and the best token of each row",
        )
      }
      await Promise.all(ranks.map((rank) => rank.obey({ kind: "leave" })))
    }
  })
}

t.test("messages come whole and in order, and none in time is null", async (t) => {
  const ranks = await startRanks(t, 2)
  await joinAll(ranks)
  const [first, second] = [pick(ranks, 0), pick(ranks, 1)]
  t.same(await second.obey({ kind: "hear", from: 0, timeoutMs: 1 }), { text: null })
  const long = "long ".repeat(300_000)
  const sent = [
    first.obey({ kind: "say", to: 1, text: "one" }),
    second.obey({ kind: "hear", from: 0, timeoutMs: 9000 }),
  ]
  t.same(await Promise.all(sent), [{}, { text: "one" }])
  const more = [first.obey({ kind: "say", to: 1, text: long }), second.obey({ kind: "hear", from: 0, timeoutMs: 9000 })]
  t.same(await Promise.all(more), [{}, { text: long }])
  t.match(await second.obey({ kind: "say", to: 1, text: "me" }), { error: /no message socket to rank 1/u })
})

t.test("every rank's counters are known to all a beat later, from any thread", async (t) => {
  const ranks = await startRanks(t, 2)
  await joinAll(ranks)
  await Promise.all(ranks.map((rank) => rank.obey({ kind: "collect", tokens: [1, 2] })))
  const told = () => groupCounters()?.ranks.every(({ ended, heardMs }) => ended === 2 && heardMs !== undefined) === true
  // Beats are native: nothing here tells of them.
  for await (const _ of setInterval(20)) if (told()) break
  const counters = groupCounters()
  t.match(counters, {
    size: 2,
    backend: "tcp",
    isGuarded: true,
    ranks: [
      { begun: 2, steps: 1 },
      { begun: 2, steps: 1 },
    ],
  })
  t.ok(
    counters?.ranks.every(({ bytes, collectiveUs }) => bytes === 2 * 2 * 64 * 4 && collectiveUs > 0),
    "with what they moved and how long it took",
  )
})

t.test("strangers are turned away, and the ranks meet all the same", async (t) => {
  const ranks = await startRanks(t, 2)
  const stranger = connect(pick(ranks, 0).port, "127.0.0.1")
  const gone = new Promise((resolve) => stranger.once("close", resolve))
  stranger.on("error", () => undefined)
  stranger.write(Buffer.alloc(512, 0x5a))
  t.same(await joinAll(ranks), [{}, {}])
  await gone
})

t.test("a rank that does not come, or has another nonce, ends the meeting in time", async (t) => {
  const ranks = await startRanks(t, 2)
  const ports = ranks.map(({ port }) => port)
  const order = { kind: "connect", ports, connectMs: 300 } as const
  const nonces = [NONCE, NONCE.replace("5a", "5b")]
  const answers = await Promise.all(ranks.map((rank, i) => rank.obey({ ...order, nonce: nonces[i] ?? "" })))
  t.match(answers[0], { error: /^rank 1 did not come in time$/u })
})

t.test("a rank that leaves, is late, or is aborted is an error of the step for all others", async (t) => {
  const leaving = await startRanks(t, 3)
  await joinAll(leaving)
  await pick(leaving, 2).obey({ kind: "leave" })
  const survivors = leaving.slice(0, 2).map((rank) => rank.obey({ kind: "collect", tokens: [1] }))
  for (const answer of await Promise.all(survivors))
    t.match(answer, { error: /^rank group lost: .*rank 2 closed its connection$/u })

  const late = await startRanks(t, 2, 200)
  await joinAll(late)
  const lateness = /^rank group lost: rank 1 did not take part in collective 1 within 200 ms$/u
  t.match(await pick(late, 0).obey({ kind: "collect", tokens: [1] }), { error: lateness })
  t.match(await pick(late, 0).obey({ kind: "collect", tokens: [1] }), { error: lateness }, "for good")

  const aborted = await startRanks(t, 2)
  await joinAll(aborted)
  const waiting = pick(aborted, 0).obey({ kind: "hear", from: 1, timeoutMs: 60_000 })
  abortGroups("the front said so")
  t.match(await waiting, { error: /^rank group lost: .*the front said so$/u })
  t.match(groupCounters(), { lost: /the front said so/u }, "and the counters tell why")
})
