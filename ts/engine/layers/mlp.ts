// The gated MLP: down(silu(gate(x)) * up(x)).

import { Activation, type CommandBuffer, type Register } from "../models/command-buffer.ts"
import type { WeightPlan } from "../models/weight-plan.ts"
import { innerShare } from "./inner-share.ts"
import { describeLinear, linear, type Linear } from "./linear.ts"

export interface Mlp {
  /** gate | up */
  readonly input: Linear
  readonly output: Linear
}

export function describeMlp(plan: WeightPlan, layer: number): Mlp {
  const { hiddenSize, intermediateSize, mlpBias } = plan.config
  const { share, counts } = innerShare(plan, intermediateSize)
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
      counts,
    }),
  }
}

/** residual + mlp(x). */
export function mlp(buffer: CommandBuffer, layer: Mlp, x: Register, residual: Register): Register {
  return linear(buffer, layer.output, buffer.gated(linear(buffer, layer.input, x), Activation.SILU), residual)
}
