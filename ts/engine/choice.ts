// One choice of one request in the text half: takes the records of its slot, keeps the journal and feeds the answer.
// Knows no link and no other choice.

import { createJournal, type Journal } from "./journal.ts"
import { ERROR_CODES, FinishCode, RECORD_WORDS, RecordKind, REFUSED_SHIFT, TokenFlag } from "./rings/record.ts"
import type { SlotKey } from "./slots.ts"
import type { Answer } from "./text/index.ts"

export interface ChoiceOptions {
  readonly promptIds: Int32Array
  readonly answer: Answer
  /** Completion tokens at most. */
  readonly maxTokens: number
  /** -1: none; else alternatives a token. */
  readonly logprobs: number
}

/** What a record means beyond the choice itself. */
export type ChoiceNews =
  | { readonly type: "started"; readonly cachedTokens: number }
  | { readonly type: "token" }
  /** A stop string was met: the token half is to be told. */
  | { readonly type: "stopped" }
  /** The token half is done with the slot. `prefillMs` where it says so. */
  | { readonly type: "ended"; readonly queuedMs: number; readonly prefillMs: number | null }
  | { readonly type: "failed"; readonly code: (typeof ERROR_CODES)[number] }

export interface Choice {
  readonly answer: Answer
  readonly journal: Journal
  readonly maxTokens: number
  /** The slot it holds in the token half. Set by who submits it. */
  key: SlotKey | null
  /** It has begun to run since it was last submitted. */
  readonly running: boolean
  readonly completionTokens: number
  /** Proposed by speculation and judged, and those of them that were right. */
  readonly draftedTokens: number
  readonly acceptedTokens: number
  /** Reads the record at `at`. null: nothing that others need to know. */
  record(words: Int32Array, at: number): ChoiceNews | null
  /** The token of a batch that has all its alternatives is passed on. */
  settle(): ChoiceNews | null
  /**
   * Its rank process is gone. "finished": it had come to its end, and only the record of it is lost; "again": it is to
   * be submitted again; "given up": it was running at two losses in a row.
   */
  lost(loss: number): "finished" | "again" | "given up"
}

interface PendingToken {
  readonly id: number
  readonly logprob: number
  readonly endsAnswer: boolean
  readonly top: { readonly id: number; readonly logprob: number }[]
}

const scratch = new Int32Array(1)
const scratchFloat = new Float32Array(scratch.buffer)

function floatOf(bits: number | undefined): number {
  scratch[0] = bits ?? 0
  return scratchFloat[0] ?? 0
}

/** Of a word of microseconds. */
function milliseconds(word: number | undefined): number {
  return ((word ?? 0) >>> 0) / 1000
}

export function createChoice(options: ChoiceOptions): Choice {
  const { answer, logprobs, maxTokens } = options
  const journal = createJournal(options.promptIds)
  let key: SlotKey | null = null
  let running = false
  let endOfTurn = false
  let completionTokens = 0
  let draftedTokens = 0
  let acceptedTokens = 0
  let pending: PendingToken | null = null

  /** Passes the pending token on. */
  function complete(): ChoiceNews | null {
    const token = pending
    if (token === null) return null
    pending = null
    if (answer.finished) return null
    journal.append(token.id)
    completionTokens++
    if (token.endsAnswer) endOfTurn = true
    else answer.push(token.id, logprobs < 0 ? null : token)
    return { type: answer.finished ? "stopped" : "token" }
  }

  function settle(): ChoiceNews | null {
    return pending !== null && pending.top.length >= logprobs ? complete() : null
  }

  function finish(code: number): void {
    complete()
    answer.finish(code === FinishCode.length ? "length" : "stop")
  }

  return {
    answer,
    journal,
    maxTokens,
    get key() {
      return key
    },
    set key(next) {
      key = next
      running = false
    },
    get running() {
      return running
    },
    get completionTokens() {
      return completionTokens
    },
    get draftedTokens() {
      return draftedTokens
    },
    get acceptedTokens() {
      return acceptedTokens
    },
    record(words, at) {
      const a = words[at + 4] ?? 0
      const b = words[at + 5] ?? 0
      switch (words[at] ?? 0) {
        case RecordKind.started:
          running = true
          return { type: "started", cachedTokens: b }
        case RecordKind.token: {
          running = true
          const news = complete()
          const flags = words[at + 6] ?? 0
          const proposed = (flags & TokenFlag.proposed) === 0 ? 0 : 1
          draftedTokens += proposed + (flags >>> REFUSED_SHIFT)
          acceptedTokens += proposed
          pending = { id: a, logprob: floatOf(b), endsAnswer: (flags & TokenFlag.ends) !== 0, top: [] }
          return news
        }
        case RecordKind.alternative:
          pending?.top.push({ id: a, logprob: floatOf(b) })
          return null
        case RecordKind.finish: {
          // Nobody here asked for it: the token half is going down.
          if (a === FinishCode.cancelled && !answer.finished) return { type: "failed", code: "internal" }
          finish(a)
          const next = at + RECORD_WORDS
          const isStatistics =
            words[next] === RecordKind.statistics &&
            words[next + 1] === words[at + 1] &&
            words[next + 2] === words[at + 2]
          return {
            type: "ended",
            queuedMs: milliseconds(words[at + 6]),
            prefillMs: isStatistics ? milliseconds(words[next + 4]) : null,
          }
        }
        case RecordKind.error:
          return { type: "failed", code: ERROR_CODES[a] ?? "internal" }
        default:
          return null
      }
    },
    settle,
    lost(loss) {
      const was = key === null ? "held back" : running ? "running" : "submitted"
      complete()
      key = null
      running = false
      if (answer.finished) return "finished"
      if (endOfTurn || journal.received >= maxTokens) {
        answer.finish(endOfTurn ? "stop" : "length")
        return "finished"
      }
      return journal.lost(loss, was) ? "again" : "given up"
    },
  }
}
