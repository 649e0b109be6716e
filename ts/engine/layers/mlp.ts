// The gated MLP: down(silu(gate(x)) * up(x)).

import { Activation, type CommandBuffer, type Register } from "../models/command-buffer.ts"
import { EngineError } from "../errors.ts"
import type { Share, WeightPlan } from "../models/weight-plan.ts"
import { describeLinear, linear, type Linear } from "./linear.ts"

export interface Mlp {
  /** gate | up */
  readonly input: Linear
  readonly output: Linear
}

/** Blocks of GGUF, and of activations that share a scale, have so many inputs. */
const BLOCK = 32

/** Inner columns of this rank: whole quantization groups. */
function innerShare({ config, position }: WeightPlan): Share {
  const { intermediateSize } = config
  const group = config.quantization?.groupSize ?? BLOCK
  const unit = intermediateSize % group === 0 ? group : 1
  const units = intermediateSize / unit
  if (units < position.size) {
    throw new EngineError("model_unreadable", `An MLP of ${units} groups cannot be split over ${position.size} ranks.`)
  }
  const begin = (rank: number): number => Math.floor((rank * units) / position.size) * unit
  return [begin(position.rank), begin(position.rank + 1)]
}

export function describeMlp(plan: WeightPlan, layer: number): Mlp {
  const { hiddenSize, intermediateSize, mlpBias } = plan.config
  const share = innerShare(plan)
  return {
    input: describeLinear(plan, {
      parts: [
        { role: "gate", layer, rows: intermediateSize, share },
        { role: "up", layer, rows: intermediateSize, share },
      ],
      inputs: hiddenSize,
      shard: "rows",
      bias: mlpBias,
    }),
    output: describeLinear(plan, {
      parts: [{ role: "down", layer, rows: hiddenSize, share }],
      inputs: intermediateSize,
      shard: "columns",
      bias: mlpBias,
    }),
  }
}

/** residual + mlp(x). */
export function mlp(buffer: CommandBuffer, layer: Mlp, x: Register, residual: Register): Register {
  return linear(buffer, layer.output, buffer.gated(linear(buffer, layer.input, x), Activation.SILU), residual)
}
