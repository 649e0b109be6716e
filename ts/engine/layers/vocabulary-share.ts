// Which tokens a rank has rows of, in the embedding and in the head.

import { rankShare } from "../models/rank-share.ts"
import type { Share, WeightPlan } from "../models/weight-plan.ts"

/** Rows that the own kernels pack into one block. */
const BLOCK = 16

/** [from, to) of every rank. A vocabulary has at least as many tokens as ranks. */
export function vocabularyShares({ config, position }: Pick<WeightPlan, "config" | "position">): readonly Share[] {
  const { vocabularySize } = config
  const { size } = position
  const unit = vocabularySize >= BLOCK * size ? BLOCK : 1
  const units = Math.ceil(vocabularySize / unit)
  return Array.from({ length: size }, (_, rank): Share => {
    const [from, to] = rankShare(units, { ...position, rank })
    return [from * unit, Math.min(to * unit, vocabularySize)]
  })
}
