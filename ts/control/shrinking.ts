// Going on with fewer ranks: who takes part in each start of a group, whether the model fits into the hosts that are
// left, and how those that were left out come back. Joins absence.ts, model-room.ts and knock.ts; starts no group.

import { createAbsence } from "./absence.ts"
import type { Clock } from "./clock.ts"
import type { LinkStatus, RankMemory } from "./cluster.ts"
import { messageOf } from "./errors.ts"
import { createKnock } from "./knock.ts"
import type { RankLauncher } from "./launch.ts"
import { RETURN_TICK_MS } from "./limits.ts"
import { missingRoom, type RankRoom } from "./model-room.ts"
import type { RankSpec } from "./rank-spec.ts"

export type GroupLink = Pick<LinkStatus, "from" | "to" | "transport" | "device">

export interface ShrinkOptions {
  /** A rank that is away for so long is left out, once the whole group has served. */
  readonly afterMs: number
  /** How these ranks are joined without the others, and how large a share each takes. Throws where they cannot be. */
  readonly among: (members: readonly number[]) => {
    readonly links: readonly GroupLink[]
    readonly weights?: readonly number[] | undefined
  }
  /** Whether nothing runs: then ranks that are back are taken in. */
  readonly isIdle: () => boolean
}

export interface ShrinkingOptions {
  readonly size: number
  /** Undefined: every start is of all ranks. */
  readonly shrink: ShrinkOptions | undefined
  readonly clock: Clock
  readonly launcher: RankLauncher
  readonly startMs: number
  /** How often a rank that was left out is asked for. */
  readonly knockMs: number
  readonly spec: (rank: number) => Promise<RankSpec>
  readonly log: (level: "info" | "warn", text: string) => void
  /** Ranks that were left out are back and nothing runs. */
  readonly restart: (reason: string) => void
}

export interface Shrinking {
  /** Of the current start. */
  readonly members: readonly number[]
  /** Decides who takes part in the start that begins now. */
  begin(): readonly number[]
  /** A rank has said hello. False: it was left out and is back; it is ended again. */
  joined(rank: number, host: string): boolean
  left(rank: number): void
  memory(rank: number, memory: RankMemory): void
  /** The process of a rank ended, or its time was over, before it said hello. */
  failed(rank: number, reason: string): void
  served(): void
  /** The processes of this start are being ended. */
  over(): void
  shortenWait(waitMs: number): number
  /** Why a rank is left out. */
  reason(rank: number): string
  close(): Promise<void>
}

export function createShrinking(options: ShrinkingOptions): Shrinking {
  const { clock, launcher, shrink, size } = options
  const everybody = Array.from({ length: size }, (_, rank) => rank)
  const rooms = new Map<number, RankRoom>()
  const hosts = new Map<number, string>()
  /** Ranks that were left out and have said hello since. */
  const back = new Set<number>()
  let members: readonly number[] = everybody
  let isOver = true
  let hasServed = false
  let hasFailed = false

  const absence = createAbsence({
    size,
    clock,
    afterMs: shrink?.afterMs ?? null,
    obstacle(remaining) {
      if (shrink === undefined) return "nobody is left out"
      try {
        return missingRoom(rooms, remaining, shrink.among(remaining).weights)
      } catch (error) {
        return messageOf(error)
      }
    },
    refused: (reason) => options.log("warn", `nobody is left out: ${reason}`),
  })
  const knock = createKnock({
    launcher,
    clock,
    startMs: options.startMs,
    spec: options.spec,
    everyMs: options.knockMs,
  })
  const stopTick =
    shrink === undefined
      ? () => {}
      : clock.every(RETURN_TICK_MS, () => {
          if (back.size === 0 || isOver || !hasServed || !shrink.isIdle()) return
          const names = [...back].join(", ")
          back.clear()
          options.restart(`rank ${names} is back`)
        })

  return {
    get members() {
      return members
    },
    begin() {
      // What keeps a smaller group from serving, if everybody comes, is no matter of who is there.
      if (members.length < size && !hasServed && !hasFailed) absence.insist()
      members = absence.members()
      isOver = false
      hasServed = false
      hasFailed = false
      back.clear()
      const out = everybody.filter((rank) => !members.includes(rank))
      for (const rank of out) {
        options.log("warn", `rank ${rank} is left out: ${absence.reason(rank)}; the others go on without it`)
      }
      knock.at(out)
      return members
    },
    joined(rank, host) {
      absence.joined(rank)
      hosts.set(rank, host)
      if (members.includes(rank)) return true
      knock.answered(rank)
      back.add(rank)
      options.log("info", `rank ${rank} is back, and is taken in as soon as nothing runs`)
      return false
    },
    left: (rank) => absence.left(rank),
    memory(rank, memory) {
      // A rank that starts holds nothing yet; one of a smaller group holds more.
      if (members.length === size && memory.modelBytes > 0) rooms.set(rank, { host: hosts.get(rank) ?? "", memory })
    },
    failed(rank, reason) {
      if (isOver) return
      hasFailed = true
      absence.failed(rank, reason)
    },
    served() {
      hasServed = true
      if (members.length === size) absence.served()
    },
    over() {
      isOver = true
      knock.at([])
    },
    shortenWait: (waitMs) => Math.min(waitMs, absence.dueMs() ?? waitMs),
    reason: (rank) => absence.reason(rank),
    async close() {
      stopTick()
      await knock.close()
    },
  }
}
