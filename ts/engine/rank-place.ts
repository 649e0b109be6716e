// A rank's place in its group, and how an engine takes it. Plain data: it crosses threads and frames. Knows no sockets.

import type { NativeEngine } from "mlx-jaccl-rs"
import type { MessagePort } from "node:worker_threads"
import { EngineError } from "./errors.ts"

export interface RankPlace {
  readonly rank: number
  readonly size: number
  /** Numeric address that the other ranks reach this one at. */
  readonly host: string
  /** Of all ranks: how large a share of the model each takes. Without them the shares are even. */
  readonly weights?: readonly number[] | undefined
  /** Folders of rank 0's machine and where they lie on this one; the first that fits counts. */
  readonly folders?: readonly (readonly [from: string, to: string])[]
}

/** A path of rank 0's machine on this one. */
export function localPath(path: string, folders: RankPlace["folders"] = []): string {
  const found = folders.find(([from]) => path === from || path.startsWith(`${from}/`))
  return found === undefined ? path : `${found[1]}${path.slice(found[0].length)}`
}

/** Which way collectives go. */
export interface RankTransport {
  readonly backend: "tcp" | "jaccl" | "jaccl-ring" | "ring" | "nccl"
  /** Of JACCL: for each rank, the devices of its cables towards each rank; empty otherwise. */
  readonly devices: readonly (readonly (readonly string[])[])[]
  /** Of a benchmark: false leaves out what makes damage visible, or JACCL's waits end. */
  readonly seals?: boolean
  readonly guard?: boolean
}

/** Where the ranks of a group listen, in rank order, and the number that proves that a peer is one of them. */
export interface RankMeeting {
  readonly transport: RankTransport
  readonly addresses: readonly { readonly host: string; readonly port: number }[]
  /** 64 hexadecimal digits. */
  readonly nonce: string
}

/** From the start of the first rank's engine to that of the last. */
const MEETING_MS = 60_000
const CONNECT_MS = 15_000
/** The last resort: the group's own beats notice a rank that is gone, silent or stuck (docs/faults.md). */
const OPERATION_MS = 120_000

/** How an error of the shim begins when a step cannot go on because of another rank (shim/group/life.h). */
const GROUP_LOST = "rank group lost: "

export function isGroupLost(error: unknown): boolean {
  return error instanceof Error && error.message.includes(GROUP_LOST)
}

/** Milliseconds; null: as the addon has it. */
export interface GroupLimits {
  /** Silence of another rank's native beat that ends the group. */
  readonly leaseMs: number | null
  /** How long all ranks may stand in collectives while nothing moves. */
  readonly stuckMs: number | null
}

/** Tells the port it listens at, waits for the addresses of all, and connects. `jacclPath`: JACCL's transport. */
export async function joinRankGroup(
  engine: NativeEngine,
  place: RankPlace,
  port: MessagePort,
  jacclPath: string,
  { leaseMs, stuckMs }: GroupLimits = { leaseMs: null, stuckMs: null },
): Promise<void> {
  const meeting = new Promise<RankMeeting>((resolve, reject) => {
    const late = new EngineError("engine_unavailable", `The ranks did not meet within ${MEETING_MS / 1000} s.`)
    const timer = setTimeout(() => reject(late), MEETING_MS)
    port.once("message", (found: RankMeeting) => {
      clearTimeout(timer)
      resolve(found)
    })
  })
  port.postMessage(engine.groupListen(place.host))
  const { addresses, nonce, transport } = await meeting
  port.close()
  engine.groupConnect({
    rank: place.rank,
    addresses: addresses.map(({ host, port: at }) => ({ host, port: at })),
    nonce,
    connectMs: CONNECT_MS,
    operationMs: OPERATION_MS,
    backend: transport.backend,
    devices: transport.devices.map((row) => row.map((cables) => [...cables])),
    jacclPath,
    ...(leaseMs === null ? {} : { leaseMs }),
    ...(stuckMs === null ? {} : { stuckMs }),
    seals: transport.seals ?? true,
    guard: transport.guard ?? true,
  })
}
