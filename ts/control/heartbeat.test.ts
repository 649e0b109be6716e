// The control plane between a front and its ranks, all in this process: frames over memory, time by hand. A rank whose
// clock stands sends nothing, as one that hangs.

import { randomBytes } from "node:crypto"
import { setImmediate as turn } from "node:timers/promises"
import t, { type Test } from "tap"
import { createManualClock, type ManualClock } from "./clock.ts"
import type { NodeStatus, RankMemory } from "./cluster.ts"
import type { RankLauncher } from "./launch.ts"
import { createMemoryTransport } from "./memory-transport.ts"
import { connectPeer, type Peer } from "./peer.ts"
import type { RankExit } from "./rank-child.ts"
import { startRankGroup, type RankGroup } from "./rank-group.ts"

const SECOND = 1_000
const TURNS = 20

interface Scene {
  readonly group: RankGroup
  readonly front: ManualClock
  /** Clocks of the ranks that run now. */
  readonly ranks: ManualClock[]
  readonly downs: string[]
  /** Heartbeats and metrics that each rank has sent. */
  readonly reports: number[]
  readonly node: (rank: number) => NodeStatus | undefined
  /** Lets time pass for the front and for the ranks in the list. */
  readonly pass: (seconds: number) => Promise<void>
}

async function settle(): Promise<void> {
  for (let at = 0; at < TURNS; at++) await turn()
}

async function play(t: Test, versions: readonly string[]): Promise<Scene> {
  const transport = createMemoryTransport()
  const front = createManualClock()
  const ranks: ManualClock[] = []
  const downs: string[] = []
  const reports = [0, 0]
  const launcher: RankLauncher = {
    async launch(spec) {
      const clock = createManualClock()
      ranks[spec.rank] = clock
      let end: (exit: RankExit) => void = () => {}
      const exited = new Promise<RankExit>((resolve) => {
        end = resolve
      })
      const words: string[] = []
      const memory = (): RankMemory => {
        reports[spec.rank] = (reports[spec.rank] ?? 0) + 1
        const usedBytes = 1000 * (reports[spec.rank] ?? 0)
        return {
          totalBytes: 48e9,
          availableBytes: 48e9 - usedBytes,
          rssBytes: usedBytes,
          activeBytes: 0,
          cacheBytes: 0,
          peakBytes: 0,
          modelBytes: 0,
          kvBytes: 0,
        }
      }
      const work = {
        steps: 7,
        plans: 6,
        planEncodeUs: 5,
        planSendUs: 4,
        planDecodeUs: 3,
        plansInTime: 2,
        plansLate: 1,
        cpuUs: 9,
      }
      const peer: Promise<Peer | null> = connectPeer({
        transport,
        coordinator: spec.coordinator,
        secret: spec.secret,
        identity: {
          rank: spec.rank,
          epoch: spec.epoch,
          hostname: `mac${spec.rank}`,
          pid: 100 + spec.rank,
          version: versions[spec.rank] ?? "",
        },
        clock,
        memory,
        work: () => work,
        task: async () => null,
        shutdown: () => end({ code: 0, signal: null }),
        abort: () => end({ code: 4, signal: null }),
        lost: () => end({ code: 3, signal: null }),
      }).catch((error: unknown) => {
        words.push(error instanceof Error ? error.message : String(error))
        end({ code: 1, signal: null })
        return null
      })
      return {
        rank: spec.rank,
        pid: 100 + spec.rank,
        exited,
        stderrTail: () => words,
        async stop() {
          ;(await peer)?.close()
          end({ code: null, signal: "SIGKILL" })
          return await exited
        },
      }
    },
  }
  const group = await startRankGroup({
    size: 2,
    hostnames: ["mac0", "mac1"],
    version: "1.0.0",
    launcher,
    secret: randomBytes(32),
    rankOptions: () => null,
    transport,
    clock: front,
    events: {
      joined: () => undefined,
      left: () => undefined,
      down: (reason) => downs.push(reason),
      log: () => undefined,
    },
  })
  t.teardown(() => group.close(0))
  await settle()
  return {
    group,
    front,
    ranks,
    downs,
    reports,
    node: (rank) => group.status().nodes[rank],
    async pass(seconds) {
      for (let second = 0; second < seconds; second++) {
        front.advance(SECOND)
        for (const clock of ranks) clock.advance(SECOND)
        await settle()
      }
    },
  }
}

t.test("a rank reports its memory every 5 s and every 2 s, and what it has done", async (t) => {
  const { node, pass, reports } = await play(t, ["1.0.0", "1.0.0"])
  t.match(node(0), { state: "active", hostname: "mac0", pid: 100 })
  const atStart = reports[1] ?? 0
  await pass(10)
  t.equal((reports[1] ?? 0) - atStart, 2 + 5, "two heartbeats and five times metrics in 10 s")
  const { memory, work, state } = node(1) ?? {}
  t.equal(state, "active")
  t.equal(memory?.rssBytes, 1000 * (reports[1] ?? 0), "the newest figures are shown")
  t.match(work, { steps: 7, plans: 6, planEncodeUs: 5, plansInTime: 2, plansLate: 1, cpuUs: 9 })
  t.ok((work?.beats ?? 0) >= 6, "the reports themselves are counted")
})

t.test("a rank that falls silent is degraded, then disconnected at 12 s, and its group starts anew", async (t) => {
  const { downs, group, node, pass, ranks } = await play(t, ["1.0.0", "1.0.0"])
  await pass(3)
  const silent = ranks.splice(1, 1)
  await pass(4)
  t.equal(node(1)?.state, "active", "5 s are no sign")
  await pass(3)
  t.match(node(1), { state: "degraded", detail: /not heard from for/ })
  t.equal(node(0)?.state, "active", "the other one is heard")
  silent[0]?.advance(2 * SECOND)
  await settle()
  t.equal(node(1)?.state, "active", "one report is enough")
  const epoch = group.status().epoch
  await pass(11)
  t.equal(group.status().epoch, epoch)
  await pass(2)
  t.match(downs, [/^rank 1: not heard from for 12\.\d s$/])
  await pass(1)
  t.match(group.status(), { epoch: epoch + 1, nodes: [{ state: "active" }, { state: "active" }] })
})

t.test("a rank of another version is refused in a sentence", async (t) => {
  const { downs, node } = await play(t, ["1.0.0", "0.9.0"])
  t.not(node(1)?.state, "active")
  t.match(downs[0], /rank 1 on mac1 is mlx-cluster 0\.9\.0, this is 1\.0\.0: run mlx-cluster bootstrap/)
})
