// Finds the first of several texts in a stream, across its pieces, and holds back what may be the beginning of one.
// Used for stop strings and for the markers of reasoning and tool calls. Knows no tokens.
//
// Aho, Corasick: Efficient string matching (1975), over UTF-16 units. Work is linear in the text; memory in the patterns.

export interface Match {
  /** May be shown: no pattern can begin in it. Ends before the match, if there is one. */
  readonly safe: string
  readonly found: string | null
  /** After the match. Not fed: the caller says what to do with it. "" without a match. */
  readonly rest: string
}

export interface StopMatcher {
  /** The match that ends first wins; of those that end together, the longest. After a match it begins anew. */
  push(text: string): Match
  /** The text still held back; begins anew. */
  flush(): string
}

interface Automaton {
  /** Next state by UTF-16 unit. */
  readonly next: readonly Map<number, number>[]
  readonly fallback: readonly number[]
  /** Length of the longest beginning of a pattern that the text ends with. */
  readonly depth: readonly number[]
  /** Longest pattern that the text ends with. */
  readonly found: readonly (string | null)[]
}

/** Empty patterns are left out; without any, all text is safe. */
export function createStopMatcher(patterns: readonly string[]): StopMatcher {
  const automaton = build(patterns.filter((pattern) => pattern.length > 0))
  let state = 0
  let held = ""

  return {
    push(text) {
      const all = held + text
      for (let i = held.length; i < all.length; i++) {
        state = step(automaton, state, all.charCodeAt(i))
        const found = automaton.found[state] ?? null
        if (found === null) continue
        state = 0
        held = ""
        return { safe: all.slice(0, i + 1 - found.length), found, rest: all.slice(i + 1) }
      }
      const safe = all.length - (automaton.depth[state] ?? 0)
      held = all.slice(safe)
      return { safe: all.slice(0, safe), found: null, rest: "" }
    },
    flush() {
      const text = held
      state = 0
      held = ""
      return text
    },
  }
}

function step(automaton: Automaton, from: number, unit: number): number {
  for (let state = from; ; state = automaton.fallback[state] ?? 0) {
    const next = automaton.next[state]?.get(unit)
    if (next !== undefined) return next
    if (state === 0) return 0
  }
}

function build(patterns: readonly string[]): Automaton {
  const next: Map<number, number>[] = [new Map()]
  const depth = [0]
  const found: (string | null)[] = [null]
  for (const pattern of patterns) {
    let state = 0
    for (let i = 0; i < pattern.length; i++) {
      const unit = pattern.charCodeAt(i)
      const known = next[state]?.get(unit)
      const target = known ?? next.length
      if (known === undefined) {
        next[state]?.set(unit, target)
        next.push(new Map())
        depth.push(i + 1)
        found.push(null)
      }
      state = target
    }
    found[state] = pattern
  }
  return { next, depth, found, fallback: fallbacks(next, found) }
}

/** Breadth first, so that a state's fallback is finished before it. Also completes `found`. */
function fallbacks(next: readonly Map<number, number>[], found: (string | null)[]): readonly number[] {
  const fallback = next.map(() => 0)
  const queue = [...(next[0]?.values() ?? [])]
  for (const state of queue) {
    found[state] ??= found[fallback[state] ?? 0] ?? null
    for (const [unit, child] of next[state] ?? []) {
      fallback[child] = step({ next, fallback, depth: [], found }, fallback[state] ?? 0, unit)
      queue.push(child)
    }
  }
  return fallback
}
