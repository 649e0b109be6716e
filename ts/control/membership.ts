// Which ranks are there: starting -> active -> degraded -> disconnected by the age of what was last heard; a closed
// connection counts at once. Knows no sockets; time is given.

import type { NodeState, RankMemory, RankWork } from "./cluster.ts"
import type { Clock } from "./clock.ts"
import { DEGRADED_AFTER_MS, DISCONNECTED_AFTER_MS, MEMBERSHIP_TICK_MS } from "./limits.ts"

export interface Member {
  readonly rank: number
  readonly state: NodeState
  /** Why it is not active, or what it is busy with. */
  readonly detail: string
  readonly hostname: string
  readonly pid: number | null
  /** Milliseconds of the clock. */
  readonly lastHeard: number | null
  readonly memory: RankMemory | null
  readonly work: RankWork | null
}

export interface Membership {
  member(rank: number): Member
  members(): readonly Member[]
  /** The process of this rank is being started. */
  starting(rank: number, detail: string): void
  joined(rank: number, hostname: string, pid: number): void
  /** Anything at all came from it. */
  heard(rank: number): void
  memory(rank: number, memory: RankMemory): void
  work(rank: number, work: RankWork): void
  detail(rank: number, detail: string): void
  lost(rank: number, detail: string): void
  close(): void
}

export interface MembershipOptions {
  readonly size: number
  readonly clock: Clock
  /** Host of each rank as the hostfile names it, shown until the rank names itself. */
  readonly hostnames: readonly string[]
  readonly degradedAfterMs?: number
  readonly disconnectedAfterMs?: number
  /** The state of a rank has changed. */
  readonly onChange: (member: Member, before: NodeState) => void
}

interface Entry {
  rank: number
  state: NodeState
  detail: string
  hostname: string
  pid: number | null
  lastHeard: number | null
  memory: RankMemory | null
  work: RankWork | null
}

export function createMembership(options: MembershipOptions): Membership {
  const { clock } = options
  const degradedAfterMs = options.degradedAfterMs ?? DEGRADED_AFTER_MS
  const disconnectedAfterMs = options.disconnectedAfterMs ?? DISCONNECTED_AFTER_MS
  const entries: Entry[] = Array.from({ length: options.size }, (_, rank) => ({
    rank,
    state: "starting",
    detail: "not started yet",
    hostname: options.hostnames[rank] ?? `rank ${rank}`,
    pid: null,
    lastHeard: null,
    memory: null,
    work: null,
  }))
  let lastTick = clock.now()

  function entry(rank: number): Entry {
    const found = entries[rank]
    if (found === undefined) throw new RangeError(`no rank ${rank} in a cluster of ${entries.length}`)
    return found
  }

  function move(member: Entry, state: NodeState, detail: string): void {
    const before = member.state
    member.state = state
    member.detail = detail
    if (before !== state) options.onChange({ ...member }, before)
  }

  function tick(): void {
    const now = clock.now()
    // A late tick means that this process stood still and could not hear: its own pause is not the ranks' silence.
    const paused = Math.max(0, now - lastTick - MEMBERSHIP_TICK_MS)
    lastTick = now
    for (const member of entries) {
      if (member.lastHeard === null || (member.state !== "active" && member.state !== "degraded")) continue
      member.lastHeard = Math.min(now, member.lastHeard + paused)
      const silentMs = now - member.lastHeard
      const silence = `not heard from for ${(silentMs / 1000).toFixed(1)} s`
      if (silentMs >= disconnectedAfterMs) move(member, "disconnected", silence)
      else if (silentMs >= degradedAfterMs) move(member, "degraded", silence)
    }
  }
  const cancelTick = clock.every(MEMBERSHIP_TICK_MS, tick)

  return {
    member: (rank) => ({ ...entry(rank) }),
    members: () => entries.map((member) => ({ ...member })),
    starting(rank, detail) {
      const member = entry(rank)
      member.pid = null
      member.lastHeard = null
      member.memory = null
      member.work = null
      move(member, "starting", detail)
    },
    joined(rank, hostname, pid) {
      const member = entry(rank)
      member.hostname = hostname
      member.pid = pid
      member.lastHeard = clock.now()
      move(member, "active", "")
    },
    heard(rank) {
      const member = entry(rank)
      member.lastHeard = clock.now()
      // A disconnected rank has been given up: only a new connection brings it back.
      if (member.state === "degraded") move(member, "active", "")
    },
    memory(rank, memory) {
      entry(rank).memory = memory
    },
    work(rank, work) {
      entry(rank).work = work
    },
    detail(rank, detail) {
      entry(rank).detail = detail
    },
    lost(rank, detail) {
      const member = entry(rank)
      member.pid = null
      member.memory = null
      move(member, "disconnected", detail)
    },
    close: cancelTick,
  }
}
