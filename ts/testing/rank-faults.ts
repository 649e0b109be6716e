// Rank processes that die, stand still, lose the front, never come, or end while they start. Data for fault-matrix.ts.

import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { type Fault, nodes, pick, type Scene } from "./fault-matrix.ts"
import { Obstacle } from "./obstacle.ts"
import { until } from "./until.ts"

const kill = ({ server, random }: Scene, signal: NodeJS.Signals) =>
  void process.kill(pick(server.ranks(), random), signal)

/** Kills a rank; of the processes that start in its place one meets the obstacle. */
async function obstruct(scene: Scene, obstacle: string): Promise<void> {
  await writeFile(join(scene.obstacles, obstacle), "")
  kill(scene, "SIGKILL")
}

export const RANK_FAULTS: readonly Fault[] = [
  { name: "SIGKILL", isFatal: true, inject: (scene) => kill(scene, "SIGKILL") },
  { name: "SIGSTOP", isFatal: true, inject: (scene) => kill(scene, "SIGSTOP") },
  {
    name: "control link cut",
    isFatal: true,
    inject: (scene) => scene.links.between(scene.random(scene.size), "front").cut(),
  },
  {
    name: "control link dead",
    isFatal: true,
    inject: (scene) => scene.links.between(scene.random(scene.size), "front").die(),
  },
]

/** The ranks that start in the place of a lost one fail in their turn. */
export const START_FAULTS: readonly Fault[] = [
  { name: "SIGKILL, then a rank that never comes", isFatal: true, inject: (scene) => obstruct(scene, Obstacle.hang) },
  { name: "SIGKILL, then a rank that cannot start", isFatal: true, inject: (scene) => obstruct(scene, Obstacle.exit) },
  {
    name: "SIGKILL, then a rank whose model file is damaged",
    isFatal: true,
    inject: (scene) => obstruct(scene, Obstacle.damage),
  },
  {
    name: "SIGKILL, then another while the model loads",
    isFatal: true,
    async inject(scene) {
      const before = new Set(scene.server.ranks())
      kill(scene, "SIGKILL")
      await until(async () =>
        (await nodes(scene.address)).every(({ pid, state }) => state === "active" && !before.has(pid)),
      )
      kill(scene, "SIGKILL")
    },
  },
]
