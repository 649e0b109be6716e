// What a rank reports of its memory: the host's figures and what the engine's notices last said.

import type { RankMemory } from "./control/index.ts"
import type { EngineLink } from "./engine/index.ts"

/** A function that measures anew at each call. The addon is loaded here: where it is missing that is one line. */
export async function createRankMemory(link: EngineLink): Promise<() => RankMemory> {
  const { hostMemory } = await import("mlx-jaccl-rs")
  const engine = { activeBytes: 0, cacheBytes: 0, peakBytes: 0, modelBytes: 0, kvBytes: 0 }
  link.onNotice((notice) => {
    if (notice.type !== "statistics") return
    engine.activeBytes = notice.statistics.activeBytes
    engine.cacheBytes = notice.statistics.cacheBytes
    engine.peakBytes = notice.statistics.peakBytes
    engine.modelBytes = notice.statistics.weightBytes
    engine.kvBytes = notice.statistics.kvBytesUsed
  })
  return () => {
    const host = hostMemory()
    return {
      ...engine,
      totalBytes: host.totalBytes,
      availableBytes: host.availableBytes,
      rssBytes: host.processRssBytes,
    }
  }
}
