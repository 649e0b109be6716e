import t from "tap"
import { type Link, linkPairs } from "./link-pairs.ts"

const link: Link = {
  from: 0,
  to: 1,
  label: "jaccl rdma_en4",
  bandwidth_gbps: 7,
  latency_us: 20,
  link_active: true,
  last_probe_s: 1,
  share: 0.9,
  ceiling_gbps: 8,
  ceiling_source: "cable",
  latency_p50_us: 20,
  latency_p99_us: 90,
  degraded: null,
}

t.test("both directions of a cable are one link, as good as the worse", (t) => {
  const back = {
    ...link,
    from: 1,
    to: 0,
    label: "jaccl rdma_en5",
    bandwidth_gbps: 6,
    latency_us: 30,
    share: null,
    latency_p50_us: 20,
  }
  t.same(linkPairs([link, back, { ...link, from: 2, to: 1 }]), [
    { ...link, label: "jaccl rdma_en4 ↔ jaccl rdma_en5", bandwidth_gbps: 6, latency_us: 30 },
    { ...link, from: 1, to: 2 },
  ])
  t.equal(linkPairs([link, { ...back, link_active: false }])[0]?.link_active, false)
  t.end()
})
