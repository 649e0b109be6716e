// The memory of one engine as its statistics tell it. The CPU kernels keep weights and KV outside MLX's allocator: there
// both are added to MLX's own figures, so that "active" means the same on every back end.

import type { NativeEngine } from "mlx-jaccl-rs"

export interface MemoryFigures {
  readonly activeBytes: number
  readonly peakBytes: number
  readonly cacheBytes: number
  readonly weightBytes: number
}

/** Back ends with kernels of their own are named "cpu-avx2" and the like; MLX's is "mlx-cpu". */
const OWN_KERNELS = /^cpu-/

export function createMemoryMeter(engine: Pick<NativeEngine, "memory" | "backend">): () => MemoryFigures {
  const isOwn = OWN_KERNELS.test(engine.backend)
  let highest = 0
  return () => {
    const { activeBytes, peakBytes, cacheBytes, weightBytes, kvBytes } = engine.memory()
    const outside = isOwn ? weightBytes + kvBytes : 0
    highest = Math.max(highest, activeBytes + outside)
    return {
      activeBytes: activeBytes + outside,
      peakBytes: isOwn ? Math.max(highest, peakBytes + outside) : peakBytes,
      cacheBytes,
      weightBytes,
    }
  }
}
