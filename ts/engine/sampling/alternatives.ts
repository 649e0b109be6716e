// The most likely tokens of a row of logits with their log-probabilities at temperature 1, for requests that ask for
// alternatives. On the host: only rows that asked come here.

export interface Alternative {
  readonly id: number
  readonly logprob: number
}

/** Most alternatives a token; OpenAI allows 20. */
const MAX_ALTERNATIVES = 64

/**
 * The `count` best of one row, best first; the lower id first among equals. And the log-probability of the token `chosen`
 * from the same sum, so that it equals its entry among the best: the device's sum may differ in the last digits.
 */
export function alternatives(
  logits: Float32Array,
  count: number,
  chosen: number,
): { readonly logprob: number; readonly best: readonly Alternative[] } {
  let most = Number.NEGATIVE_INFINITY
  for (const value of logits) if (value > most) most = value
  let sum = 0
  for (const value of logits) sum += Math.exp(value - most)
  const logsumexp = most + Math.log(sum)

  const best: { id: number; logit: number }[] = []
  const wanted = Math.min(count, logits.length, MAX_ALTERNATIVES)
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id] ?? Number.NEGATIVE_INFINITY
    if (logit === Number.NEGATIVE_INFINITY) continue // forbidden
    const last = best.at(-1)
    if (best.length === wanted && (last === undefined || logit <= last.logit)) continue
    let at = best.length
    while (at > 0 && logit > (best[at - 1]?.logit ?? 0)) at--
    best.splice(at, 0, { id, logit })
    if (best.length > wanted) best.pop()
  }
  return {
    logprob: (logits[chosen] ?? Number.NEGATIVE_INFINITY) - logsumexp,
    best: best.map(({ id, logit }) => ({ id, logprob: logit - logsumexp })),
  }
}
