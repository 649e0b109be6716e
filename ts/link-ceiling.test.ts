import t from "tap"
import { linkCeiling } from "./link-ceiling.ts"

const tcp = { from: 0, to: 2, transport: "tcp" }

t.test("the ceiling of a link is its cable's, its slower interface's, or the best that was measured", (t) => {
  t.same(linkCeiling({ ...tcp, transport: "jaccl" }, [], 7.9e9), { bytesPerSecond: 8e9, source: "cable" })
  t.same(linkCeiling(tcp, [1.25e9, null, 125e6], 110e6), { bytesPerSecond: 125e6, source: "interface" })
  t.same(linkCeiling(tcp, [1.25e9, null, null], 110e6), { bytesPerSecond: 110e6, source: "measured" })
  t.same(linkCeiling(tcp, [1.25e9, null, 125e6], 900e6), { bytesPerSecond: 900e6, source: "measured" })
  t.equal(linkCeiling(tcp, [], null), null)
  t.end()
})
