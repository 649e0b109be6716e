// Seeded prompts for benchmarks: text that no run has seen before, of a known number of tokens. Every word here is one
// token (with its leading space) in the vocabularies of SmolLM2, Llama 3 and Qwen.

const WORDS =
  "the of and to in that is was for on with as at by from or an are be this which not but all were when we there can more if out so up said about than into them only some time could these two may first then any my now such like our over man even most after also made many must before through back years where much your way down should because long each just state those people too good world still own see men work here between life being under never day same another know while last might us great old year off come since against right three".split(
    " ",
  )

/** Mulberry32: a small seeded generator; quality is no matter here, equality between runs is. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** A text of about `tokens` tokens; another seed gives a text that differs from its first word on. */
export function promptText(tokens: number, seed: number): string {
  const random = seededRandom(seed)
  return Array.from({ length: tokens }, () => ` ${WORDS[Math.floor(random() * WORDS.length)] ?? "the"}`).join("")
}

/** Token ids below `vocabulary`, for the engine alone. */
export function promptIds(tokens: number, vocabulary: number, seed: number): number[] {
  const random = seededRandom(seed)
  return Array.from({ length: tokens }, () => 100 + Math.floor(random() * (vocabulary - 200)))
}
