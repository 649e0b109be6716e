// RMS norm: x / rms(x) * weight.

import type { CommandBuffer, Register, Weight } from "../models/command-buffer.ts"
import type { WeightPlan } from "../models/weight-plan.ts"
import type { ModuleRole } from "../models/weight-names.ts"

export interface Norm {
  readonly weight: Weight
  readonly eps: number
}

export function describeNorm(plan: WeightPlan, role: ModuleRole, layer = 0): Norm {
  const { hiddenSize, normEps } = plan.config
  return { weight: plan.vector([{ role, layer, rows: hiddenSize }], "replicated"), eps: normEps }
}

export function norm(buffer: CommandBuffer, { weight, eps }: Norm, x: Register): Register {
  return buffer.rmsNorm(x, weight, eps, 0)
}
