// Mixture of experts: a softmax router chooses experts for each row; their gated MLPs are summed by its weights.

import { RouterKind, type CommandBuffer, type Register, type Weight } from "../models/command-buffer.ts"
import { EngineError } from "../errors.ts"
import type { WeightPlan } from "../models/weight-plan.ts"
import { innerShare } from "./inner-share.ts"

export interface Moe {
  readonly router: Weight
  readonly gateUp: Weight
  readonly down: Weight
  readonly expertsPerToken: number
  readonly renormalize: boolean
  /** Each rank holds a share of every expert's inner columns, and its result is a summand. */
  readonly partial: boolean
  /** False: the summand of this rank is that of another, and is left out of the sum. */
  readonly counts: boolean
}

export function describeMoe(plan: WeightPlan, layer: number): Moe {
  const { hiddenSize, moe, family } = plan.config
  if (moe === null) throw new EngineError("model_unreadable", `A ${family} model without experts.`)
  const { experts, intermediateSize, expertsPerToken, renormalize } = moe
  const [router] = plan.matrices([{ role: "router", layer, rows: experts }], hiddenSize, "replicated")
  if (router === undefined) throw new Error("a router is one matrix")
  const { share, counts } = innerShare(plan, intermediateSize)
  const gate = { single: "expertGate", stacked: "stackedGate" } as const
  const up = { single: "expertUp", stacked: "stackedUp" } as const
  const down = { single: "expertDown", stacked: "stackedDown" } as const
  return {
    router: router.weight,
    gateUp: plan.experts([gate, up], layer, {
      experts,
      rows: intermediateSize,
      columns: hiddenSize,
      share,
      shard: "rows",
    }),
    down: plan.experts([down], layer, {
      experts,
      rows: hiddenSize,
      columns: intermediateSize,
      share,
      shard: "columns",
    }),
    expertsPerToken,
    renormalize,
    partial: plan.position.size > 1,
    counts,
  }
}

/** residual + experts(x). */
export function moe(buffer: CommandBuffer, layer: Moe, x: Register, residual: Register): Register {
  const { router, gateUp, down, expertsPerToken, renormalize, partial, counts } = layer
  const options = { expertsPerToken, renormalize, kind: RouterKind.SOFTMAX_TOPK }
  const own = buffer.moe(x, router, gateUp, down, options)
  return buffer.add(residual, partial ? buffer.allSum(counts ? own : buffer.scale(own, 0)) : own)
}
