// Lets a test keep one rank process from coming, have it end while it starts, or load a model whose file is damaged: a file
// that the first process to start takes away says so. Each file works once.

import { renameSync } from "node:fs"
import { join } from "node:path"

/** Names the folder of such files to every process that inherits it. */
export const OBSTACLES = "MLX_CLUSTER_TEST_OBSTACLES"

export const Obstacle = { hang: "hang", exit: "exit", damage: "damage" } as const

/** Names the home folder of the process that meets `damage`: models of the front's home lie there below the same path. */
export const DAMAGED_HOME = "MLX_CLUSTER_TEST_DAMAGED_HOME"

export async function obstructed(run: () => Promise<void>): Promise<void> {
  if (take(Obstacle.hang)) {
    setInterval(() => undefined, 60_000)
    return
  }
  if (take(Obstacle.exit)) {
    process.stderr.write("no such device\n")
    process.exitCode = 1
    return
  }
  if (take(Obstacle.damage)) process.env["HOME"] = process.env[DAMAGED_HOME]
  await run()
}

/** Renaming succeeds for one process only. */
function take(name: string): boolean {
  const folder = process.env[OBSTACLES]
  if (folder === undefined) return false
  try {
    renameSync(join(folder, name), join(folder, `${name}.taken.${process.pid}`))
    return true
  } catch {
    return false
  }
}
