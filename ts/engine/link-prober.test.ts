import t from "tap"
import { createLinkProber, type LinkProbeResult, type ProbeOrder } from "./link-prober.ts"

const SECOND = 1_000_000

t.test("every pair is probed, one at a call, small every 10 s and large every 60 s", async (t) => {
  const orders: ProbeOrder[] = []
  const results: LinkProbeResult[] = []
  const prober = createLinkProber(
    3,
    (order) => {
      orders.push(order)
      return [order.bytes / 1000]
    },
    (result) => results.push(result),
  )
  for (let i = 0; i < 6; i++) t.ok(prober.probe(2 * SECOND))
  t.notOk(prober.probe(3 * SECOND))
  t.same(
    orders.map(({ from, to, bytes }) => [from, to, bytes]),
    [4096, 4 * 1024 * 1024].flatMap((bytes) => [
      [0, 1, bytes],
      [0, 2, bytes],
      [1, 2, bytes],
    ]),
  )
  t.same(results[0], { from: 0, to: 1, bytes: 4096, us: [4.096] })
  let later = 0
  for (let at = 3 * SECOND; at < 63 * SECOND; at += SECOND) while (prober.probe(at)) later++
  t.equal(later, 6 * 3 + 3, "six small rounds and a large one in the next minute")
})
