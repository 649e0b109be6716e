// RankMemory as it stands in messages.

import type { RankMemory } from "./cluster.ts"
import type { WireMemory } from "./message.ts"

export function toWireMemory(memory: RankMemory): WireMemory {
  return {
    total_bytes: memory.totalBytes,
    available_bytes: memory.availableBytes,
    rss_bytes: memory.rssBytes,
    active_bytes: memory.activeBytes,
    cache_bytes: memory.cacheBytes,
    peak_bytes: memory.peakBytes,
    model_bytes: memory.modelBytes,
    kv_bytes: memory.kvBytes,
  }
}

export function fromWireMemory(memory: WireMemory): RankMemory {
  return {
    totalBytes: memory.total_bytes,
    availableBytes: memory.available_bytes,
    rssBytes: memory.rss_bytes,
    activeBytes: memory.active_bytes,
    cacheBytes: memory.cache_bytes,
    peakBytes: memory.peak_bytes,
    modelBytes: memory.model_bytes,
    kvBytes: memory.kv_bytes,
  }
}
