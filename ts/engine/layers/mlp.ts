// The gated MLP: down(silu(gate(x)) * up(x)).

import { Activation, type CommandBuffer, type Register } from "../models/command-buffer.ts"
import type { WeightPlan } from "../models/weight-plan.ts"
import { describeLinear, linear, type Linear } from "./linear.ts"

export interface Mlp {
  /** gate | up */
  readonly input: Linear
  readonly output: Linear
}

export function describeMlp(plan: WeightPlan, layer: number): Mlp {
  const { hiddenSize, intermediateSize, mlpBias } = plan.config
  return {
    input: describeLinear(plan, {
      parts: [
        { role: "gate", layer, rows: intermediateSize },
        { role: "up", layer, rows: intermediateSize },
      ],
      inputs: hiddenSize,
      shard: "rows",
      bias: mlpBias,
    }),
    output: describeLinear(plan, {
      parts: [{ role: "down", layer, rows: hiddenSize }],
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
