import t from "tap"
import { createManualClock } from "./clock.ts"
import { DEGRADED_AFTER_MS, DISCONNECTED_AFTER_MS } from "./limits.ts"
import { createMembership } from "./membership.ts"

function setUp() {
  const clock = createManualClock()
  const changes: string[] = []
  const membership = createMembership({
    size: 2,
    clock,
    hostnames: ["a", "b"],
    onChange: (member, before) => changes.push(`${member.rank} ${before} -> ${member.state}`),
  })
  membership.joined(0, "a.local", 10)
  membership.joined(1, "b.local", 11)
  return { clock, changes, membership }
}

t.test("a silent rank is degraded after 6 s, then disconnected after 12 s", async (t) => {
  const { clock, changes, membership } = setUp()
  for (let s = 0; s < 20; s++) {
    clock.advance(1_000)
    membership.heard(0)
    if (s + 1 === DEGRADED_AFTER_MS / 1_000) t.equal(membership.member(1).state, "degraded")
    if (s + 1 === DISCONNECTED_AFTER_MS / 1_000) t.equal(membership.member(1).state, "disconnected")
  }
  t.strictSame(changes, [
    "0 starting -> active",
    "1 starting -> active",
    "1 active -> degraded",
    "1 degraded -> disconnected",
  ])
  t.match(membership.member(1).detail, "not heard from for 12.0 s")
})

t.test("a degraded rank that is heard is active again; a disconnected one must join anew", async (t) => {
  const { clock, membership } = setUp()
  clock.advance(DEGRADED_AFTER_MS)
  membership.heard(1)
  t.equal(membership.member(1).state, "active")
  t.equal(membership.member(1).detail, "")
  clock.advance(DISCONNECTED_AFTER_MS)
  membership.heard(1)
  t.equal(membership.member(1).state, "disconnected")
  membership.joined(1, "b.local", 12)
  t.equal(membership.member(1).state, "active")
})

t.test("a pause of this process is not the ranks' silence", async (t) => {
  const { clock, membership } = setUp()
  clock.advance(3_000)
  clock.jump(60_000)
  clock.advance(1_000)
  t.equal(membership.member(1).state, "active")
  clock.advance(DISCONNECTED_AFTER_MS)
  t.equal(membership.member(1).state, "disconnected")
})

t.test("a closed connection counts at once", async (t) => {
  const { changes, membership } = setUp()
  membership.lost(1, "the cable is out")
  t.match(membership.member(1), { state: "disconnected", detail: "the cable is out", pid: null })
  t.equal(changes.at(-1), "1 active -> disconnected")
})
