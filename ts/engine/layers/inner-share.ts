// Which inner columns of a gated MLP, dense or of an expert, a rank has: whole quantization groups.

import { type CountedShare, countedShare } from "../models/rank-share.ts"
import type { WeightPlan } from "../models/weight-plan.ts"

/** Blocks of GGUF, and of activations that share a scale, have so many inputs. */
const BLOCK = 32

export function innerShare({ config, position }: WeightPlan, innerSize: number): CountedShare {
  const group = config.quantization?.groupSize ?? BLOCK
  const unit = innerSize % group === 0 ? group : 1
  const { share, counts } = countedShare(innerSize / unit, position)
  return { share: [share[0] * unit, share[1] * unit], counts }
}
