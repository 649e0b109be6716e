import t from "tap"
import { createStopMatcher } from "./stop-matcher.ts"

/** What a matcher must give for a whole text: the match that ends first, of those the longest. */
function naive(text: string, patterns: readonly string[]): { text: string; found: string | null } {
  const longestFirst = patterns.toSorted((a, b) => b.length - a.length)
  for (let end = 1; end <= text.length; end++) {
    const found = longestFirst.find((pattern) => text.slice(0, end).endsWith(pattern))
    if (found !== undefined) return { text: text.slice(0, end - found.length), found }
  }
  return { text, found: null }
}

/** mulberry32: a small seeded generator, so that a failure can be repeated. */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

t.test("for any split of any text it finds what a search of the whole text finds", async (t) => {
  const next = random(7)
  const pick = (length: number): string => Array.from({ length }, () => "abc"[Math.floor(next() * 3)]).join("")
  for (let round = 0; round < 3000; round++) {
    const patterns = Array.from({ length: 1 + Math.floor(next() * 4) }, () => pick(1 + Math.floor(next() * 5)))
    const text = pick(Math.floor(next() * 30))
    const matcher = createStopMatcher(patterns)
    let shown = ""
    let found: string | null = null
    for (let at = 0; at < text.length && found === null; ) {
      const length = 1 + Math.floor(next() * 4)
      const match = matcher.push(text.slice(at, at + length))
      shown += match.safe
      found = match.found
      at += length
      const wanted = naive(text, patterns).text
      if (!wanted.startsWith(shown)) t.fail(`showed ${shown} of ${wanted} for ${patterns.join()}`)
    }
    if (found === null) shown += matcher.flush()
    const wanted = naive(text, patterns)
    if (shown !== wanted.text || found !== wanted.found)
      t.same({ shown, found }, wanted, `text ${text}, patterns ${patterns.join()}`)
  }
  t.pass("3000 rounds")
})

t.test("it holds back only what may begin a pattern", async (t) => {
  const matcher = createStopMatcher(["\n\nUser:", "END"])
  t.equal(matcher.push("Hello\n").safe, "Hello")
  t.equal(matcher.push("world E").safe, "\nworld ")
  t.same(matcher.push("ND and more"), { safe: "", found: "END", rest: " and more" })
})

t.test("held text comes out at the end, and a matcher without patterns holds nothing", async (t) => {
  const matcher = createStopMatcher(["stop"])
  t.equal(matcher.push("a st").safe, "a ")
  t.equal(matcher.flush(), "st")
  t.equal(matcher.push("op").safe, "op", "it begins anew")
  t.same(createStopMatcher([""]).push("text"), { safe: "text", found: null, rest: "" })
})
