// How a step's token budget is shared among prompts: half of it or more to the oldest, the rest to the shortest first, so
// that neither a long nor a short prompt starves. Knows only their lengths.

/** Rows of each prompt, of which `remaining` tokens are to be computed, oldest first; 0: not in this step. */
export function prefillShares(remaining: readonly number[], budget: number): readonly number[] {
  const [oldest] = remaining
  if (oldest === undefined) return []
  const shares = remaining.map(() => 0)
  const first = Math.min(oldest, Math.ceil(budget / 2))
  let left = budget - first
  const others = [...remaining.entries()].slice(1).sort(([, a], [, b]) => a - b)
  for (const [i, count] of others) {
    shares[i] = Math.min(count, left)
    left -= shares[i] ?? 0
  }
  shares[0] = Math.min(oldest, first + left)
  return shares
}
