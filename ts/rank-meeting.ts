// How the ranks of a group find each other: each says where it listens, the front tells all of them. Two tasks of the
// control plane; what the ranks then say to each other never passes the front.

import { randomBytes } from "node:crypto"
import { type Address, ControlError, type RankConnection } from "./control/index.ts"
import type { RankGroupPlace, RankTransport } from "./engine/index.ts"

const LISTEN_TASK = "group.listen"
const CONNECT_TASK = "group.connect"
/** From the start of a rank's engine thread: it opens MLX before it listens. */
const LISTEN_MS = 45_000
const CONNECT_MS = 5000
const NONCE_BYTES = 32

type Meeting = Awaited<ReturnType<RankGroupPlace["meet"]>>

/** Where rank `from` reaches another rank, or the front, that listens at `address`. */
export type Route = (from: number, to: number | "front", address: Address) => Promise<Address>

/** The front's end, once every rank of an epoch is connected: the connections in rank order. */
export async function introduceRanks(
  connections: readonly Pick<RankConnection, "task">[],
  transport: RankTransport,
  route: Route | null = null,
): Promise<void> {
  const listening = await Promise.all(connections.map((rank) => rank.task(LISTEN_TASK, null, LISTEN_MS)))
  const meeting: Meeting = {
    transport,
    // The ranks are authenticated and of the same version.
    addresses: listening as Address[],
    nonce: randomBytes(NONCE_BYTES).toString("hex"),
  }
  await Promise.all(
    connections.map(async (rank, from) => {
      const addresses =
        route === null
          ? meeting.addresses
          : await Promise.all(meeting.addresses.map(async (address, to) => await route(from, to, address)))
      await rank.task(CONNECT_TASK, { ...meeting, addresses }, CONNECT_MS)
    }),
  )
}

export interface RankIntroduction {
  /** For the engine; null where there is one rank. */
  readonly place: RankGroupPlace | null
  /** For the control plane. */
  readonly task: (name: string, body: unknown) => Promise<unknown>
}

/** The end of a rank. */
export function createRankIntroduction(self: Omit<RankGroupPlace, "meet">): RankIntroduction {
  const { size } = self
  let tellPort: (port: number) => void = () => {}
  let tellMeeting: (meeting: Meeting) => void = () => {}
  const listening = new Promise<number>((resolve) => {
    tellPort = resolve
  })
  const meeting = new Promise<Meeting>((resolve) => {
    tellMeeting = resolve
  })
  return {
    place:
      size === 1
        ? null
        : {
            ...self,
            meet(port) {
              tellPort(port)
              return meeting
            },
          },
    async task(name, body) {
      if (size > 1 && name === LISTEN_TASK) return { host: self.host, port: await listening } satisfies Address
      if (size === 1 || name !== CONNECT_TASK) throw new ControlError("task_failed", `this rank knows no task ${name}`)
      // The front is authenticated and of the same version.
      tellMeeting(body as Meeting)
      return null
    },
  }
}
