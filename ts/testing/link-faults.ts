// Links between ranks that break, stall or slow down, and messages that are lost or damaged. Data for fault-matrix.ts.

import { type Fault, order, pick, type Scene } from "./fault-matrix.ts"

/** How long a link is slow. */
const SLOW_MS = 1_000

const pair = ({ size, random }: Scene): [number, number] => {
  const rank = 1 + random(size - 1)
  return [rank, random(rank)]
}
const command = (scene: Scene, words: string) => order(scene, pick(scene.server.ranks(), scene.random), words)

export const LINK_FAULTS: readonly Fault[] = [
  { name: "message lost", isFatal: true, inject: (scene) => command(scene, "drop") },
  { name: "exponent bit of a message flipped", isFatal: true, inject: (scene) => command(scene, "corrupt") },
  { name: "cable dead", isFatal: true, inject: (scene) => command(scene, "cable") },
  { name: "host cut off", isFatal: true, inject: (scene) => scene.links.between(...pair(scene)).die() },
  { name: "connection closed", isFatal: true, inject: (scene) => scene.links.between(...pair(scene)).cut() },
  {
    name: "slow link",
    isFatal: false,
    async inject(scene) {
      const rank = pick(scene.server.ranks(), scene.random)
      await order(scene, rank, "lat_us=2000 mbps=20")
      await new Promise((resolve) => setTimeout(resolve, SLOW_MS))
      await order(scene, rank, "lat_us=0 mbps=0")
    },
  },
]
