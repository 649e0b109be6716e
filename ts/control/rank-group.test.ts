// Real child processes (testing/rank-child.ts) over real sockets.

import { spawn, spawnSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import t from "tap"
import type { RankConnection } from "./coordinator.ts"
import { createLocalLauncher } from "./launch.ts"
import { startRankGroup, type RankGroup } from "./rank-group.ts"

const child = new URL("./testing/rank-child.js", import.meta.url).pathname

interface Watched {
  readonly group: RankGroup
  readonly downs: { reason: string; waitMs: number }[]
  /** The next rank that joins. */
  readonly nextJoin: () => Promise<RankConnection>
  readonly nextDown: () => Promise<string>
}

async function watch(size: number, mode: string, secret = randomBytes(32)): Promise<Watched> {
  const joins: RankConnection[] = []
  const joinWaiters: ((connection: RankConnection) => void)[] = []
  const downs: { reason: string; waitMs: number }[] = []
  const downWaiters: ((reason: string) => void)[] = []
  const group = await startRankGroup({
    size,
    hostnames: Array.from({ length: size }, (_, rank) => `host${rank}`),
    links: size === 2 ? [{ from: 0, to: 1, transport: "tcp", device: "" }] : [],
    launcher: createLocalLauncher({ command: [process.execPath, child] }),
    secret,
    rankOptions: () => mode,
    events: {
      joined(connection) {
        const waiter = joinWaiters.shift()
        if (waiter === undefined) joins.push(connection)
        else waiter(connection)
      },
      left: () => undefined,
      down(reason, waitMs) {
        downs.push({ reason, waitMs })
        downWaiters.shift()?.(reason)
      },
      log: () => undefined,
    },
  })
  return {
    group,
    downs,
    nextJoin() {
      const ready = joins.shift()
      return ready === undefined ? new Promise((resolve) => joinWaiters.push(resolve)) : Promise.resolve(ready)
    },
    nextDown: () => new Promise((resolve) => downWaiters.push(resolve)),
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

t.test("a rank joins, answers tasks, echoes payloads, and is gone after close", async (t) => {
  const { group, nextJoin } = await watch(1, "well")
  const rank = await nextJoin()
  t.match(group.status(), { epoch: 1, size: 1, nodes: [{ rank: 0, state: "active", hostname: "test", pid: rank.pid }] })
  t.strictSame(await rank.task("echo", { a: [1, 2] }), { a: [1, 2] })
  await t.rejects(rank.task("dance", null), { code: "task_failed", message: "rank 0: no task dance" })
  const echoed = new Promise<[number, number]>((resolve) => {
    rank.onPayload((kind, bytes) => resolve([kind, bytes.length]))
  })
  t.ok(rank.sendPayload(7, new Uint8Array(100_000)))
  t.strictSame(await echoed, [8, 100_000])
  await Promise.all([group.close(), group.close()])
  t.notOk(alive(rank.pid))
})

t.test("a killed rank is started again, at once, with the next epoch; five times over", async (t) => {
  const { group, nextJoin, nextDown, downs } = await watch(1, "well")
  const pids: number[] = []
  for (let round = 1; round <= 5; round++) {
    const rank = await nextJoin()
    pids.push(rank.pid)
    t.equal(rank.epoch, round)
    group.markServing()
    const lost = t.rejects(rank.task("wait", null).then(() => rank.task("wait", null)))
    const down = nextDown()
    process.kill(rank.pid, "SIGKILL")
    t.match(await down, "rank 0 was killed by SIGKILL")
    await lost
  }
  const last = await nextJoin()
  t.equal(group.restarts, 5)
  t.equal(downs[0]?.waitMs, 0)
  t.ok(downs.every((down) => down.waitMs <= 1_000))
  await group.close()
  t.notOk([...pids, last.pid].some(alive))
})

t.test("when one rank of two dies the whole group starts anew", async (t) => {
  const { group, nextJoin, nextDown } = await watch(2, "well")
  const first = [await nextJoin(), await nextJoin()]
  t.match(group.status().links, [{ from: 0, to: 1, active: true }])
  const down = nextDown()
  process.kill(first[1]?.pid ?? 0, "SIGKILL")
  t.match(await down, /was killed by SIGKILL/)
  const second = [await nextJoin(), await nextJoin()]
  t.strictSame(
    second.map((rank) => rank.epoch),
    [2, 2],
  )
  t.notOk(first.some((rank) => alive(rank.pid)))
  await group.close()
  t.notOk(second.some((rank) => alive(rank.pid)))
})

t.test("a rank that cannot start says why and is tried again after growing waits", async (t) => {
  const { group, nextDown, downs } = await watch(1, "exit")
  const reasons = [await nextDown(), await nextDown()]
  t.strictSame(reasons, Array(2).fill("rank 0 ended with exit code 7: no model here"))
  t.strictSame(
    downs.map((down) => down.waitMs),
    [0, 500],
  )
  t.match(group.status().nodes[0], { state: "disconnected", detail: "rank 0 ended with exit code 7: no model here" })
  await group.close()
})

t.test("a rank that ignores SIGTERM is killed after the grace", async (t) => {
  const { group, nextJoin } = await watch(1, "deaf")
  const rank = await nextJoin()
  await group.close(200)
  t.notOk(alive(rank.pid))
})

t.test("a stopped rank is ended too, when its group is restarted", async (t) => {
  const { group, nextJoin } = await watch(1, "well")
  const rank = await nextJoin()
  process.kill(rank.pid, "SIGSTOP")
  group.restart("it does not answer")
  const next = await nextJoin()
  t.not(next.pid, rank.pid)
  t.notOk(alive(rank.pid))
  await group.close()
})

t.test("close while the rank still starts leaves nothing behind", async (t) => {
  const { group } = await watch(1, "mute")
  await group.close()
  const { stdout } = spawnSync("ps", ["-eo", "pid,ppid,args"], { encoding: "utf8" })
  const left = stdout.split("\n").filter((line) => line.includes(child) && line.includes(` ${process.pid} `))
  t.strictSame(left, [])
})

t.test("a program that does not exist is a reason, not a crash", async (t) => {
  const reasons: string[] = []
  const group = await startRankGroup({
    size: 1,
    hostnames: ["a"],
    launcher: createLocalLauncher({ command: ["/nowhere/node"] }),
    secret: randomBytes(32),
    rankOptions: () => null,
    events: {
      joined: () => undefined,
      left: () => undefined,
      down: (reason) => reasons.push(reason),
      log: () => undefined,
    },
  })
  await group.close()
  t.match(reasons[0] ?? "cannot start rank 0", /cannot start rank 0/)
})

t.test("a rank ends by itself when the front is killed", async (t) => {
  const front = spawn(process.execPath, [new URL("./testing/front-child.js", import.meta.url).pathname], {
    stdio: ["ignore", "pipe", "inherit"],
  })
  const [line] = await once(front.stdout, "data")
  const pid = Number(String(line).trim())
  t.ok(alive(pid))
  // The rank holds the other end of this pipe open until it is gone.
  const ended = once(front.stdout, "end")
  front.stdout.resume()
  front.kill("SIGKILL")
  await ended
  t.ok(true, "nothing holds the pipe")
})
