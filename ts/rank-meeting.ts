// How the ranks of a group find each other: each says where it listens, the front tells all of them. Two tasks of the
// control plane; what the ranks then say to each other never passes the front.

import { randomBytes } from "node:crypto"
import { type Address, ControlError, type RankConnection } from "./control/index.ts"
import type { RankGroupPlace, RankTransport } from "./engine/index.ts"
import { interfaceSpeed } from "./interface-speed.ts"

/** What a rank says of itself before it meets the others. */
interface Listening extends Address {
  /** Of the interface of its address; null: nothing tells. */
  readonly bytesPerSecond: number | null
}

const LISTEN_TASK = "group.listen"
const CONNECT_TASK = "group.connect"
/** From the start of a rank's engine thread: it opens MLX before it listens. */
const LISTEN_MS = 45_000
const CONNECT_MS = 5000
const NONCE_BYTES = 32

type Meeting = Awaited<ReturnType<RankGroupPlace["meet"]>>

/** Where rank `from` reaches another rank, or the front, that listens at `address`. */
export type Route = (from: number, to: number | "front", address: Address) => Promise<Address>

/**
 * The front's end, once every rank of an epoch is connected: the connections in rank order. Resolves with what the
 * interface of each rank carries at best, in bytes a second.
 */
export async function introduceRanks(
  connections: readonly Pick<RankConnection, "task" | "rank">[],
  transport: RankTransport,
  route: Route | null = null,
): Promise<readonly (number | null)[]> {
  const answers = await Promise.all(connections.map((rank) => rank.task(LISTEN_TASK, null, LISTEN_MS)))
  // The ranks are authenticated and of the same version.
  const listening = answers as Listening[]
  const meeting: Meeting = {
    transport,
    addresses: listening.map(({ host, port }) => ({ host, port })),
    nonce: randomBytes(NONCE_BYTES).toString("hex"),
  }
  await Promise.all(
    connections.map(async (from) => {
      const addresses =
        route === null
          ? meeting.addresses
          : await Promise.all(
              meeting.addresses.map(
                async (address, to) => await route(from.rank, connections[to]?.rank ?? to, address),
              ),
            )
      await from.task(CONNECT_TASK, { ...meeting, addresses }, CONNECT_MS)
    }),
  )
  return listening.map(({ bytesPerSecond }) => bytesPerSecond)
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
      if (size > 1 && name === LISTEN_TASK) {
        const bytesPerSecond = await interfaceSpeed(self.host)
        return { host: self.host, port: await listening, bytesPerSecond } satisfies Listening
      }
      if (size === 1 || name !== CONNECT_TASK) throw new ControlError("task_failed", `this rank knows no task ${name}`)
      // The front is authenticated and of the same version.
      tellMeeting(body as Meeting)
      return null
    },
  }
}
