// A rank that measures links instead of serving a model: it does rounds of collectives when the front says so.

import { join } from "node:path"
import type { RankMemory } from "./control/index.ts"
import { type LinkRound, openLinkBench, type RankGroupPlace, type TokenHalfOptions } from "./engine/index.ts"
import { PROGRAM_FOLDER } from "./program.ts"

export const LINK_TASK = "links.round"

export interface LinkRank {
  readonly memory: () => RankMemory
  /** For the control plane; null: not a task of this rank. */
  task(name: string, body: unknown): Promise<unknown> | null
}

/** Begins to meet the other ranks; a meeting that fails is the answer to the first round. */
export async function startLinkRank(engine: Partial<TokenHalfOptions>, place: RankGroupPlace): Promise<LinkRank> {
  const { hostMemory } = await import("mlx-jaccl-rs")
  const bench = openLinkBench(engine, place, join(PROGRAM_FOLDER, "fixtures", "tiny-qwen3"))
  bench.catch(() => undefined)
  const none = { activeBytes: 0, cacheBytes: 0, peakBytes: 0, modelBytes: 0, kvBytes: 0 }
  return {
    memory() {
      const { totalBytes, availableBytes, processRssBytes } = hostMemory()
      return { ...none, totalBytes, availableBytes, rssBytes: processRssBytes }
    },
    task(name, body) {
      if (name !== LINK_TASK) return null
      // The front is authenticated and of the same version.
      return bench.then((open) => open.run(body as LinkRound))
    },
  }
}
