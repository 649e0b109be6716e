// Where a rank on another host looks for a path of this one (rank.ts): below the program, below the home folder, or at
// the same place.

import { homedir } from "node:os"
import { packageRoot } from "./package-info.ts"

/** Absolute, or from "~/". `programThere`: folder of the program on that host. */
export function pathThere(path: string, programThere: string): string {
  const below = (root: string) => path === root || path.startsWith(`${root}/`)
  const root = packageRoot()
  if (below(root)) return `${programThere}${path.slice(root.length)}`
  return below(homedir()) ? `~${path.slice(homedir().length)}` : path
}
