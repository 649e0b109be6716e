// Why the prefix cache did not help further: what it holds where a prompt goes on otherwise, as text.

import type { CacheDivergence } from "./generation.ts"
import type { TokenText } from "./text/index.ts"

/** Enough to see what is meant: a date, a name, the beginning of a message. */
const SHOWN_TOKENS = 12

/** `otherwise`: the cache's token behind the first `at` of the prompt, or -1. Undefined: nothing diverges. */
export function cacheDivergence(
  promptIds: Int32Array,
  at: number,
  otherwise: number,
  tokens: Pick<TokenText, "bytes">,
): CacheDivergence | undefined {
  if (otherwise < 0) return undefined
  const shown = Array.from(promptIds.subarray(at, at + SHOWN_TOKENS), (id) => tokens.bytes(id))
  return {
    at,
    cachedText: Buffer.from(tokens.bytes(otherwise)).toString("utf8"),
    promptText: Buffer.concat(shown).toString("utf8"),
  }
}
