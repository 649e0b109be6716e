// Where the last tokens of a text came before, in constant time a token. Knows no sequence.
//
// A table of hashed n-grams -> the position behind the newest one, of which a later one takes the place of an earlier:
// what is lost that way costs a proposal, and what is found is compared.

/** Longest first: the longer the match, the likelier what followed it follows again. */
const SIZES = [5, 3] as const
const LEAST_SLOTS = 1 << 10
/** Slots for each token, of which each size takes one. */
const SLOTS_PER_TOKEN = 4

export interface NgramIndex {
  /** Takes ids[0 .. length - 1] in; what was taken before stays. */
  extend(ids: Int32Array, length: number): void
  /** A position of the text behind the longest n-gram that ends in `ids` at `end`, or -1. */
  find(ids: Int32Array, end: number): number
}

export function createNgramIndex(): NgramIndex {
  let table = new Int32Array(LEAST_SLOTS).fill(-1)
  let text: Int32Array = new Int32Array(0)
  /** N-grams that end before it are in the table. */
  let taken = 0

  function slot(ids: Int32Array, end: number, size: number): number {
    let hash = size
    for (let i = end - size; i < end; i++) hash = Math.imul(hash ^ (ids[i] ?? 0), 0x9e3779b1) + (hash >>> 15)
    return (hash ^ (hash >>> 16)) & (table.length - 1)
  }

  function agree(ids: Int32Array, end: number, position: number, size: number): boolean {
    for (let i = 1; i <= size; i++) if (ids[end - i] !== text[position - i]) return false
    return true
  }

  return {
    extend(ids, length) {
      text = ids
      if (length * SLOTS_PER_TOKEN > table.length) {
        let slots = table.length
        while (slots < 2 * length * SLOTS_PER_TOKEN) slots *= 2
        table = new Int32Array(slots).fill(-1)
        taken = 0
      }
      for (let end = taken; end < length; end++) {
        for (const size of SIZES) if (end >= size) table[slot(ids, end, size)] = end
      }
      taken = Math.max(taken, length)
    },
    find(ids, end) {
      for (const size of SIZES) {
        if (end < size) continue
        const position = table[slot(ids, end, size)] ?? -1
        if (position >= size && agree(ids, end, position, size)) return position
      }
      return -1
    },
  }
}
