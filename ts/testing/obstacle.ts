// Lets a test keep one rank process from coming, or have it end while it loads: a file that the first process to start
// takes away says so. Each file works once.

import { renameSync } from "node:fs"
import { join } from "node:path"

/** Names the folder of such files to every process that inherits it. */
export const OBSTACLES = "MLX_CLUSTER_TEST_OBSTACLES"

export const Obstacle = { hang: "hang", exit: "exit" } as const

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
