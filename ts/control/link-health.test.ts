import t from "tap"
import { createLinkHealth } from "./link-health.ts"

const SMALL = 4096
const LARGE = 4 * 1024 * 1024

t.test("a link's figures are those of its probes, whichever end is asked for", async (t) => {
  const health = createLinkHealth()
  t.match(health.figures(0, 1, 0), {
    latencyUs: null,
    bandwidthBytesPerSecond: null,
    lastProbeMs: null,
    degraded: null,
  })
  health.record({ from: 0, to: 1, bytes: SMALL, us: [30, 20, 40, 25, 500] }, 1_000)
  health.record({ from: 0, to: 1, bytes: LARGE, us: [4_000, 4_200, 4_100] }, 2_000)
  const figures = health.figures(1, 0, 5_000)
  t.match(figures, { latencyUs: 30, latencyP50Us: 30, latencyP99Us: 500, lastProbeMs: 3_000, degraded: null })
  t.equal(figures.bandwidthBytesPerSecond, (LARGE / 4_100) * 1e6)
  t.equal(health.figures(0, 2, 5_000).latencyUs, null, "other links have none")
})

t.test("a link that stays much slower than it was is degraded, one busy moment is not", async (t) => {
  const health = createLinkHealth()
  const probe = (us: number) => health.record({ from: 0, to: 1, bytes: SMALL, us: [us] }, 0)
  for (const us of [50, 60, 5_000, 55]) probe(us)
  t.equal(health.figures(0, 1, 0).degraded, null)
  for (const us of [5_000, 6_000]) probe(us)
  t.equal(health.figures(0, 1, 0).degraded, "latency 5000 µs, 50 µs at its best")
  for (const us of [50, 50]) probe(us)
  t.equal(health.figures(0, 1, 0).degraded, null, "and recovers")
})

t.test("bandwidth below half of the best is degraded, and after a new meeting judged anew", async (t) => {
  const health = createLinkHealth()
  const probe = (us: number) => health.record({ from: 2, to: 1, bytes: LARGE, us: [us] }, 0)
  for (const us of [4_000, 9_000, 9_500, 9_900]) probe(us)
  t.match(health.figures(1, 2, 0).degraded, /^0\.44 GB\/s, 1\.05 GB\/s at its best$/)
  health.reset()
  t.match(health.figures(1, 2, 0), { bandwidthBytesPerSecond: null, lastProbeMs: null, degraded: null })
})
