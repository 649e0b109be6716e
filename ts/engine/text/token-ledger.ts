// Keeps, for the tokens of an answer that are not shown yet, where each begins in the text, so that every event can say
// how many tokens made it and, when asked, their log-probabilities. Knows no channel and no marker.

import type { TokenLogprob } from "../generation.ts"

export interface TokenLedger {
  /** The token made `text`, which follows all text before it; `heldBytes` of its bytes belong to later text. */
  add(text: string, heldBytes: number, logprob: TokenLogprob | null): void
  /**
   * Takes the tokens that begin before position `to`. Those that reach into [from, to) come back, cut to it: their bytes
   * joined are the text's.
   */
  take(from: number, to: number): { readonly tokens: number; readonly logprobs: readonly TokenLogprob[] }
}

interface Entry {
  readonly at: number
  readonly text: string
  readonly heldBytes: number
  readonly logprob: TokenLogprob | null
}

/** Taken entries stay in the array until there are so many. */
const COMPACT_AT = 256

export function createTokenLedger(): TokenLedger {
  const entries: Entry[] = []
  let first = 0
  let position = 0

  return {
    add(text, heldBytes, logprob) {
      entries.push({ at: position, text, heldBytes, logprob })
      position += text.length
    },
    take(from, to) {
      let tokens = 0
      const logprobs: TokenLogprob[] = []
      for (; first < entries.length; first++) {
        const entry = entries[first]
        if (entry === undefined || entry.at >= to) break
        tokens++
        const cut = entry.logprob === null ? null : cutTo(entry, entry.logprob, from, to)
        if (cut !== null) logprobs.push(cut)
      }
      if (first >= COMPACT_AT) {
        entries.splice(0, first)
        first = 0
      }
      return { tokens, logprobs }
    },
  }
}

/** The part of a token inside [from, to), or null. */
function cutTo(entry: Entry, logprob: TokenLogprob, from: number, to: number): TokenLogprob | null {
  const end = entry.at + entry.text.length
  if (entry.at >= from && end <= to) {
    return logprob
  }
  if (end <= from) return null
  const before = entry.at < from ? byteLength(entry.text.slice(0, from - entry.at)) : 0
  const after = end > to ? byteLength(entry.text.slice(to - entry.at)) + entry.heldBytes : 0
  const bytes = logprob.bytes.subarray(before, Math.max(before, logprob.bytes.length - after))
  return { ...logprob, bytes }
}

function byteLength(text: string): number {
  return Buffer.byteLength(text, "utf8")
}
