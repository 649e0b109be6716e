// Very many streams at the same time over a real server: none is lost, none gets another's text, and the front stays
// small. A thousand with MLX_CLUSTER_ROUNDS=full (make test-full).

import t from "tap"
import { metric } from "./testing/metrics.ts"
import { mebibytes, processMemory } from "./testing/process-memory.ts"
import { startServer } from "./testing/server-process.ts"
import { askSum, sumOf } from "./testing/sums.ts"
import { until } from "./testing/until.ts"

const isFull = process.env["MLX_CLUSTER_ROUNDS"] === "full"
const STREAMS = isFull ? 1000 : 150
const FRONT_BYTES = 400 * 2 ** 20

t.test(`${STREAMS} streams at once are neither lost nor mixed up`, { timeout: 300_000 }, async (t) => {
  const server = startServer({
    model: "tiny",
    stateFolder: t.testdir(),
    requests: STREAMS,
    http: { port: 0 },
    engine: { maxRunning: STREAMS },
  })
  t.teardown(() => server.child.kill("SIGKILL"))
  const address = await server.ready
  let most = 0
  const watch = setInterval(() => {
    metric(address, "engine_slots_used").then(
      (used) => (most = Math.max(most, used)),
      () => undefined,
    )
  }, 100)
  t.teardown(() => clearInterval(watch))
  const faults = await Promise.all(
    Array.from({ length: STREAMS }, (_, index) =>
      askSum(address, sumOf(index), "stream").catch((error: unknown) => `lost: ${String(error)}`),
    ),
  )
  clearInterval(watch)
  t.same(
    faults.filter((fault) => fault !== null),
    [],
  )
  t.ok(most > STREAMS / 2, `${most} of ${STREAMS} were seen in the engine at once`)
  await until(
    async () => (await metric(address, "engine_slots_used")) + (await metric(address, "engine_sequences")) === 0,
  )
  if (process.platform === "linux") {
    const { peakRssBytes } = await processMemory(server.child.pid ?? 0)
    t.ok(peakRssBytes < FRONT_BYTES, `the front's peak with ${STREAMS} streams: ${mebibytes(peakRssBytes)} MiB`)
  }
  server.child.kill("SIGTERM")
  t.equal((await server.ended).code, 0)
})
