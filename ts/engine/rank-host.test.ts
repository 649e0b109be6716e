import t from "tap"
import { platform } from "./platform.ts"
import { createRankHost } from "./rank-host.ts"
import { fixture, missingNative, startRank } from "./rank-host-fixture.ts"

t.test("where MLX cannot be opened, the link is lost and the reason is one sentence", async (t) => {
  const host = createRankHost({ libmlxPath: "/nowhere/libmlx.so" })
  const states: string[] = []
  host.link.onState((state) => states.push(state))
  const error = await host.ended
  t.equal(error?.code, "engine_lost")
  t.match(error?.message, /^The engine worker ended: /)
  await host.close()
  t.same(states, ["lost"])
  t.equal(host.link.send({ kind: "shutdown" }), false)
})

t.test(
  "closing in the middle of a request ends the worker, and twice is once",
  { skip: missingNative() },
  async (t) => {
    const rank = await startRank(fixture("tiny-qwen3"))
    t.equal(rank.loaded.type, "loaded")
    t.equal(rank.host.link.state, "up")
    const sampling = { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 0n, ignoreEos: true }
    let first: () => void = () => {}
    const begun = new Promise<void>((resolve) => {
      first = resolve
    })
    void rank.generate({ promptIds: Int32Array.of(1, 2, 3), maxTokens: 4000, sampling }, () => first())
    await begun
    await Promise.all([rank.close(), rank.close()])
    t.equal(await rank.host.ended, null)
    t.equal(rank.host.link.state, "lost")
  },
)

t.test("an unloaded model's requests are refused and it can be loaded again", { skip: missingNative() }, async (t) => {
  const rank = await startRank(fixture("tiny-qwen3"))
  const { link } = rank.host
  link.send({ kind: "unload", model: 0 })
  t.equal((await rank.generate({ promptIds: Int32Array.of(1) })).error, 3)
  const loaded = new Promise((resolve) => link.onNotice((notice) => notice.type === "loaded" && resolve(notice)))
  link.send({ kind: "load", model: 0, path: fixture("tiny-qwen3"), options: '{"maxRunning":2}' })
  await loaded
  t.equal((await rank.generate({ promptIds: Int32Array.of(1), maxTokens: 3 })).tokens.length, 3)
  await rank.close()
})

t.test("libraries and the default device follow the system and BACKEND", async (t) => {
  t.match(platform(undefined, "linux", "/r"), { libmlxPath: "/r/vendor/mlx-cpu/mlx/lib/libmlx.so", device: "cpu" })
  t.match(platform("cuda", "linux", "/r"), { libmlxPath: "/r/vendor/mlx-cuda-13/mlx/lib/libmlx.so", device: "gpu" })
  t.match(platform(undefined, "darwin", "/r"), {
    libmlxPath: "/r/vendor/mlx-metal/mlx/lib/libmlx.dylib",
    device: "gpu",
  })
  t.match(platform("cpu", "darwin", "/r"), { libmlxPath: "/r/vendor/mlx-metal/mlx/lib/libmlx.dylib", device: "cpu" })
})
