// A draft model: a small model with the tokenizer of the large one. Its passes for all sequences of a step are one
// command buffer, each pass reading the tokens of the one before on the device; only the last is waited for. It samples
// with the noise of the position that the large model will sample, so that where both agree on the probabilities they
// agree on the token, at any temperature.

import type { NativeEngine } from "mlx-jaccl-rs"
import { CommandBuffer, type Model, NONE, type Register, SampleWord } from "../models/index.ts"
import { adjustmentWords, writeSampleRow } from "../sampling/index.ts"
import {
  adjustmentRow,
  createPrefixCache,
  isKvFull,
  type KvSequences,
  RUNNER_REGISTERS,
  type Sequence,
} from "../scheduling/index.ts"
import { createDraftKv } from "./draft-kv.ts"
import { MAX_DEPTH, type Proposer, type Request } from "./proposer.ts"

type DraftCalls = Pick<NativeEngine, "exec" | "readTokens">

export interface DraftOptions {
  /** The first of RUNNER_REGISTERS persistent registers that are the draft's: each pass has one for its tokens. */
  readonly firstRegister: number
  readonly vocabularySize: number
  /** Of the model that judges. */
  readonly targetVocabularySize: number
  readonly contextLength: number
  /** Tokens a step at most that the draft has missed and catches up on. */
  readonly catchUpTokens: number
}

/** A request whose sequence is to be run from `computed` on. */
interface Row extends Request {
  readonly kv: number
  readonly computed: number
  /** Tokens of the first pass. */
  readonly rows: number
}

const NOTHING = new Int32Array(0)

/**
 * A long prompt is worth reading for the draft only where a long answer follows, and how long it will be is best guessed
 * by how long it is: so many tokens are caught up on for each that was generated.
 */
const CATCH_UP_EACH = 128

export function createDraftProposer(
  engine: DraftCalls,
  model: Model,
  kv: KvSequences,
  options: DraftOptions,
): Proposer {
  const { firstRegister, vocabularySize, targetVocabularySize, contextLength, catchUpTokens } = options
  const buffer = new CommandBuffer()
  const cache = createPrefixCache(kv)
  const own = createDraftKv(kv, cache)
  const deepest = Math.min(MAX_DEPTH, RUNNER_REGISTERS)
  /** Models of one tokenizer may pad it differently: the draft has no row for some tokens. */
  const lacksTokens = vocabularySize < targetVocabularySize

  /** What each request computes in the first pass: all that it lacks, or as much as the budget leaves. */
  function firstRows(requests: readonly Request[]): readonly Row[] {
    let budget = catchUpTokens
    return requests.map(({ sequence, depth }) => {
      const { kv: one, computed } = own.attach(sequence)
      const missing = sequence.known - 1 - computed
      const rows = missing <= budget ? missing + 1 : budget
      budget -= Math.min(missing, budget)
      return { sequence, depth: rows === missing + 1 ? depth : 0, kv: one, computed, rows }
    })
  }

  function sample(pass: number, hidden: Register, rows: readonly Row[]): void {
    const raw = model.logits(buffer, hidden)
    const previous = pass === 0 ? NONE : firstRegister + pass - 1
    const words = new Int32Array(rows.length * SampleWord.WORDS)
    rows.forEach(({ sequence }, row) => writeSampleRow(words, row, sequence.template, sequence.known + pass))
    // Of the draft's own tokens the last one counts for penalties: near enough for a proposal.
    const adjustments = lacksTokens
      ? NOTHING
      : adjustmentWords(
          rows.map(({ sequence }, row) =>
            adjustmentRow(sequence, sequence.known + pass, pass === 0 ? -1 : row, NOTHING),
          ),
        )
    const logits = adjustments.length === 0 ? raw : buffer.adjust(raw, previous, rows.length, adjustments)
    buffer.sample(firstRegister + pass, NONE, logits, words)
  }

  function encodeFirst(rows: readonly Row[], drafting: number): void {
    buffer.batch(rows.map((row) => [kv.handle(row.kv), row.rows, row.computed]))
    const entries = new Int32Array(rows.reduce((sum, row) => sum + row.rows, 0))
    const last: number[] = []
    let at = 0
    for (const { sequence, computed, rows: count } of rows) {
      entries.set(sequence.ids.subarray(computed, computed + count), at)
      at += count
      last.push(at - 1)
    }
    const hidden = model.forward(buffer, buffer.tokens(entries, NONE))
    if (drafting > 0) sample(0, buffer.rows(hidden, Int32Array.from(last.slice(0, drafting))), rows.slice(0, drafting))
    // To have it run at all.
    else buffer.rows(hidden, Int32Array.of(at - 1), firstRegister)
  }

  function encodeNext(pass: number, rows: readonly Row[]): void {
    buffer.batch(rows.map((row) => [kv.handle(row.kv), 1, row.sequence.known + pass - 1]))
    const entries = Int32Array.from(rows, (_, row) => -(row + 1))
    sample(pass, model.forward(buffer, buffer.tokens(entries, firstRegister + pass - 1)), rows)
  }

  /** False: the KV memory of the draft is full. */
  function run(): boolean {
    for (;;) {
      try {
        engine.exec(buffer.tape, buffer.length)
        return true
      } catch (error) {
        if (!isKvFull(error)) throw error
        if (!cache.evict()) return false
      }
    }
  }

  function tokensOf(rows: readonly Row[], passes: number): ReadonlyMap<Sequence, Int32Array> {
    const found = new Map(rows.map(({ sequence, depth }) => [sequence, new Int32Array(depth)]))
    for (let pass = 0; pass < passes; pass++) {
      const drafting = rows.filter(({ depth }) => depth > pass)
      const tokens = new Int32Array(drafting.length)
      engine.readTokens(firstRegister + pass, tokens)
      drafting.forEach(({ sequence }, row) => {
        const ownTokens = found.get(sequence)
        if (ownTokens !== undefined) ownTokens[pass] = tokens[row] ?? 0
      })
    }
    return found
  }

  return {
    kind: "draft",
    serves: () => true,
    available(sequence, most) {
      const { ids, known, promptLength } = sequence
      const room = Math.min(most, deepest, contextLength - known)
      const missing = known - 1 - own.attach(sequence).computed
      if (missing > CATCH_UP_EACH * (1 + known - promptLength)) return 0
      if (lacksTokens && ids.subarray(0, known).some((id) => id >= vocabularySize)) return 0
      return Math.max(0, room)
    },
    propose(requests) {
      kv.takeJournal()
      // The deepest first: a pass runs the first rows of the one before.
      const rows = firstRows(requests)
        .filter((row) => row.rows > 0)
        .toSorted((a, b) => b.depth - a.depth)
      const passes = rows[0]?.depth ?? 0
      const isCatchingUp = rows.some((row) => row.rows > 2)
      if (rows.length === 0) return { tokens: requests.map(() => NOTHING), isCatchingUp: true }
      buffer.reset()
      encodeFirst(rows, rows.filter(({ depth }) => depth > 0).length)
      for (let pass = 1; pass < passes; pass++)
        encodeNext(
          pass,
          rows.filter(({ depth }) => depth > pass),
        )
      const registers = Array.from({ length: Math.max(1, passes) }, (_, pass) => firstRegister + pass)
      buffer.evaluate(registers)
      if (!run()) return { tokens: requests.map(() => NOTHING), isCatchingUp: false }
      const found = tokensOf(rows, passes)
      for (const { sequence, computed, rows: count } of rows) {
        const tokens = found.get(sequence) ?? NOTHING
        own.computed(sequence, computed + count, tokens.subarray(0, Math.max(0, tokens.length - 1)))
      }
      const tokens = requests.map(({ sequence }) => {
        const whole = found.get(sequence) ?? NOTHING
        const foreign = whole.findIndex((id) => id >= targetVocabularySize)
        return foreign < 0 ? whole : whole.subarray(0, foreign)
      })
      return { tokens, isCatchingUp }
    },
    left: (sequence) => own.leave(sequence),
    close: () => own.clear(),
  }
}
