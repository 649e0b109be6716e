// Real processes: a guard, and under it a rank.

import { spawn } from "node:child_process"
import { once } from "node:events"
import t, { type Test } from "tap"
import { encodeGuardBeat, encodeGuardStart, encodeGuardStop, guardSignal } from "./rank-guard.ts"
import type { RankSpec } from "./rank-spec.ts"

const program = new URL("./testing/guard-child.js", import.meta.url).pathname

function guard(t: Test, options: string) {
  const child = spawn(process.execPath, [program, "guard"], { stdio: ["pipe", "pipe", "pipe"] })
  t.teardown(() => child.kill("SIGKILL"))
  const spec: RankSpec = {
    rank: 1,
    size: 2,
    epoch: 1,
    coordinator: { host: "127.0.0.1", port: 1 },
    secret: Buffer.alloc(32, 1),
    options,
  }
  child.stdin.write(encodeGuardStart(spec, { GREETING: "hello" }))
  const ended = once(child, "exit").then(([code]) => Number(code))
  /** The line of the rank: that it runs, and its process id. */
  const greeting = once(child.stdout, "data").then(([data]) => String(data))
  return { child, ended, greeting }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

const pidOf = (greeting: string) => Number(greeting.split(" ")[2])

t.test("a guard starts its rank with the environment given, and ends it when its input closes", async (t) => {
  const { child, ended, greeting } = guard(t, "stubborn")
  const line = await greeting
  t.match(line, /^rank 1 \d+ hello\n$/)
  child.stdin.write(encodeGuardBeat())
  child.stdin.end()
  t.equal(guardSignal(await ended), "SIGKILL", "its exit code says how the rank ended")
  t.notOk(alive(pidOf(line)))
})

t.test("a stop is SIGTERM, and SIGKILL where the grace is over or zero", async (t) => {
  const polite = guard(t, "well")
  await polite.greeting
  polite.child.stdin.write(encodeGuardStop(30_000))
  t.equal(await polite.ended, 7)

  for (const graceMs of [50, 0]) {
    const stubborn = guard(t, "stubborn")
    const line = await stubborn.greeting
    stubborn.child.stdin.write(encodeGuardStop(graceMs))
    t.equal(guardSignal(await stubborn.ended), "SIGKILL", `grace ${graceMs}`)
    t.notOk(alive(pidOf(line)))
  }
})

t.test("a rank that is stopped by a signal is ended all the same", async (t) => {
  const { child, ended, greeting } = guard(t, "well")
  const pid = pidOf(await greeting)
  process.kill(pid, "SIGSTOP")
  child.stdin.end()
  t.equal(guardSignal(await ended), "SIGKILL")
  t.notOk(alive(pid))
})

t.test("a rank that leaves by itself gives the guard its exit code", async (t) => {
  t.equal(await guard(t, "leaves").ended, 5)
  t.equal(guardSignal(5), null)
})

t.test("a guard without a start line says that it is not for people", async (t) => {
  const child = spawn(process.execPath, [program, "guard"], { stdio: ["pipe", "ignore", "pipe"] })
  const said = once(child.stderr, "data")
  child.stdin.end("{}\n")
  t.match(String((await said)[0]), /the start line is wrong; a guard is started over ssh by mlx-cluster serve/)
})
