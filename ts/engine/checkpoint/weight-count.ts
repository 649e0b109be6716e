// Counts parameters and bytes of a checkpoint and names its quantization. Knows no files.

import type { TensorInfo } from "mlx-jaccl-rs"
import type { ModelConfig } from "./model-config.ts"

export interface WeightCount {
  readonly sizeBytes: number
  readonly parameters: number
  readonly quantization: string
}

/** A matrix packed by MLX is u32 words of 32 / bits elements; its scales and biases are no parameters. */
export function countWeights(tensors: readonly TensorInfo[], config: ModelConfig): WeightCount {
  const packed = new Set(
    tensors
      .filter((tensor) => tensor.name.endsWith(".scales"))
      .map((tensor) => tensor.name.slice(0, -".scales".length)),
  )
  const bytesByType = new Map<string, number>()
  let sizeBytes = 0
  let parameters = 0
  for (const tensor of tensors) {
    sizeBytes += tensor.sizeBytes
    const module = tensor.name.slice(0, tensor.name.lastIndexOf("."))
    if (packed.has(module) && /\.(scales|biases)$/.test(tensor.name)) continue
    const elements = tensor.shape.reduce((product, size) => product * size, 1)
    const isPacked = packed.has(module) && tensor.name.endsWith(".weight")
    const own = config.moduleQuantization[module]
    const bits = (own ? own : config.quantization)?.bits ?? 4
    parameters += isPacked ? Math.round((elements * 32) / bits) : elements
    const type = isPacked ? `${bits}-bit` : tensor.dtype
    bytesByType.set(type, (bytesByType.get(type) ?? 0) + tensor.sizeBytes)
  }
  const [most] = [...bytesByType].toSorted((a, b) => b[1] - a[1])
  const label = most?.[0] ?? "unknown"
  return { sizeBytes, parameters, quantization: config.names === "hf" ? label.toLowerCase() : label }
}
