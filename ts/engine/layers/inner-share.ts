// Which inner columns of a gated MLP, dense or of an expert, a rank has: whole quantization groups.

import { type CountedShare, countedShare } from "../models/rank-share.ts"
import type { WeightPlan } from "../models/weight-plan.ts"

/** Blocks of GGUF, and of activations that share a scale, have so many inputs. */
const BLOCK = 32

export function innerShare({ config, position }: WeightPlan, innerSize: number): CountedShare {
  // Modules may be packed otherwise than the default says: the widest group, all being powers of two, fits all of them.
  const own = Object.values(config.moduleQuantization).flatMap((one) => (one === false ? [] : [one.groupSize]))
  const group = Math.max(config.quantization?.groupSize ?? BLOCK, ...own)
  const unit = innerSize % group === 0 ? group : 1
  const { share, counts } = countedShare(innerSize / unit, position)
  return { share: [share[0] * unit, share[1] * unit], counts }
}
