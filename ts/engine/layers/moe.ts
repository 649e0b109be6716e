// Mixture of experts: a softmax router chooses experts for each row; their gated MLPs are summed by its weights.

import { RouterKind, type CommandBuffer, type Register, type Weight } from "../models/command-buffer.ts"
import { EngineError } from "../errors.ts"
import type { WeightPlan } from "../models/weight-plan.ts"

export interface Moe {
  readonly router: Weight
  readonly gateUp: Weight
  readonly down: Weight
  readonly expertsPerToken: number
  readonly renormalize: boolean
}

export function describeMoe(plan: WeightPlan, layer: number): Moe {
  const { hiddenSize, moe, family } = plan.config
  if (moe === null) throw new EngineError("model_unreadable", `A ${family} model without experts.`)
  const { experts, intermediateSize, expertsPerToken, renormalize } = moe
  const [router] = plan.matrices([{ role: "router", layer, rows: experts }], hiddenSize, "replicated")
  if (router === undefined) throw new Error("a router is one matrix")
  const gate = { single: "expertGate", stacked: "stackedGate" } as const
  const up = { single: "expertUp", stacked: "stackedUp" } as const
  const down = { single: "expertDown", stacked: "stackedDown" } as const
  return {
    router: router.weight,
    gateUp: plan.experts([gate, up], layer, experts, intermediateSize, hiddenSize),
    down: plan.experts([down], layer, experts, hiddenSize, intermediateSize),
    expertsPerToken,
    renormalize,
  }
}

/** residual + experts(x). */
export function moe(buffer: CommandBuffer, layer: Moe, x: Register, residual: Register): Register {
  const { router, gateUp, down, expertsPerToken, renormalize } = layer
  const options = { expertsPerToken, renormalize, kind: RouterKind.SOFTMAX_TOPK }
  return buffer.add(residual, buffer.moe(x, router, gateUp, down, options))
}
