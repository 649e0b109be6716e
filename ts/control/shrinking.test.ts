import t from "tap"
import { createManualClock } from "./clock.ts"
import type { RankProcess } from "./launch.ts"
import { createShrinking, type ShrinkOptions } from "./shrinking.ts"

const SPEC = { size: 3, epoch: 1, coordinator: { host: "127.0.0.1", port: 1 }, secret: new Uint8Array(), options: null }
const EXIT = { code: 0, signal: null }
const MEMORY = {
  totalBytes: 100,
  availableBytes: 10,
  rssBytes: 1,
  activeBytes: 0,
  cacheBytes: 0,
  peakBytes: 0,
  modelBytes: 40,
  kvBytes: 0,
}

function shrinking(more: Partial<ShrinkOptions> = {}) {
  const clock = createManualClock()
  const launched: number[] = []
  const stopped: number[] = []
  const logs: string[] = []
  const restarts: string[] = []
  let isIdle = false
  const made = createShrinking({
    size: 3,
    clock,
    shrink: { afterMs: 1000, among: () => ({ links: [] }), isIdle: () => isIdle, ...more },
    startMs: 500,
    knockMs: 100,
    spec: async (rank) => ({ ...SPEC, rank }),
    log: (_, text) => logs.push(text),
    restart: (reason) => restarts.push(reason),
    launcher: {
      async launch({ rank }): Promise<RankProcess> {
        launched.push(rank)
        let end: (exit: typeof EXIT) => void = () => {}
        const exited = new Promise<typeof EXIT>((resolve) => {
          end = resolve
        })
        const stop = async () => {
          stopped.push(rank)
          end(EXIT)
          return await exited
        }
        return { rank, pid: 1, exited, stderrTail: () => [], stop }
      },
    },
  })
  const settled = async () => {
    for (let turn = 0; turn < 10; turn++) await Promise.resolve()
  }
  /** All three have served; then rank 1 stays away. */
  const lose = () => {
    made.begin()
    for (const rank of [0, 1, 2]) {
      made.joined(rank, `host${rank}`)
      made.memory(rank, MEMORY)
    }
    made.served()
    for (const rank of [0, 1, 2]) made.left(rank)
    made.over()
    made.begin()
    made.failed(1, "nothing answers")
    made.over()
  }
  return { made, clock, launched, stopped, logs, restarts, lose, settled, rest: () => (isIdle = true) }
}

t.test("a rank that is left out is asked for, and taken in when it is back and nothing runs", async (t) => {
  const { made, clock, launched, stopped, logs, restarts, lose, settled, rest } = shrinking({
    among: () => ({ links: [], weights: [1, 1] }),
  })
  // 120 bytes over two hosts are 75 each, with headroom; one has 10 free and gives back 40.
  lose()
  clock.advance(1000)
  t.same(made.begin(), [0, 1, 2])
  t.match(logs, [/nobody is left out: the model needs .* on host0/])
  for (const rank of [0, 1, 2]) made.memory(rank, { ...MEMORY, availableBytes: 50 })
  made.over()
  t.same(made.begin(), [0, 2])
  t.match(logs[1], /rank 1 is left out: nothing answers; the others go on without it/)

  clock.advance(100)
  await settled()
  t.same(launched, [1])
  clock.advance(500)
  await settled()
  t.same(stopped, [1], "it did not say hello in time")
  clock.advance(100)
  await settled()
  t.ok(launched.length > 1, "it is asked again")
  t.notOk(made.joined(1, "host1"), "and is no member when it says hello")
  await settled()
  const asked = launched.length
  t.equal(stopped.length, 2)
  clock.advance(5000)
  t.equal(launched.length, asked, "then no more")
  t.same(restarts, [], "before the others have served nothing is restarted")
  made.served()
  clock.advance(5000)
  t.same(restarts, [], "nor while something runs")
  rest()
  clock.advance(1000)
  t.same(restarts, ["rank 1 is back"])
  made.over()
  t.same(made.begin(), [0, 1, 2])
  await made.close()
})

t.test("a smaller group that cannot be joined, or does not come to serve, is given up", async (t) => {
  const none = shrinking({
    among() {
      throw new Error("a ring needs a cable")
    },
  })
  none.lose()
  none.clock.advance(1000)
  t.same(none.made.begin(), [0, 1, 2])
  t.match(none.logs, [/a ring needs a cable/])
  await none.made.close()

  const { made, clock, lose } = shrinking()
  lose()
  for (const rank of [0, 2]) made.memory(rank, { ...MEMORY, availableBytes: 50 })
  clock.advance(1000)
  t.same(made.begin(), [0, 2])
  made.joined(0, "host0")
  made.joined(2, "host2")
  made.over()
  t.same(made.begin(), [0, 1, 2], "all came, and the model could not be loaded")
  made.over()
  clock.advance(1000)
  t.same(made.begin(), [0, 2], "which is tried again later")
  await made.close()
})
