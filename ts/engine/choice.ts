// One choice of one request in the text half: takes the records of its slot, keeps the journal and feeds the answer.
// Knows no link and no other choice.

import { createJournal, type Journal } from "./journal.ts"
import { ERROR_CODES, FinishCode, RECORD_WORDS, RecordKind, REFUSED_SHIFT, TokenFlag } from "./rings/record.ts"
import type { SlotKey } from "./slots.ts"
import type { Answer } from "./text/index.ts"

export interface ChoiceOptions {
  readonly promptIds: Int32Array
  /** Tokens that the answer will probably have. */
  readonly predictionIds?: Int32Array | undefined
  readonly answer: Answer
  /** Completion tokens at most. */
  readonly maxTokens: number
  /** -1: none; else alternatives a token. */
  readonly logprobs: number
  /** What the answer must look like, as JSON; null: anything. */
  readonly rule: string | null
  /** null: it may think as long as it likes. */
  readonly thinking: ThinkingBudget | null
}

export interface ThinkingBudget {
  readonly tokens: number
  /** Written in the model's place when they are spent. */
  readonly endIds: readonly number[]
}

/** What a record means beyond the choice itself. */
export type ChoiceNews =
  /** `otherwise`: the token that the prefix cache has behind those in place of the prompt's, or -1. */
  | { readonly type: "started"; readonly cachedTokens: number; readonly otherwise: number }
  | { readonly type: "token" }
  /** A stop string was met: the token half is to be told. */
  | { readonly type: "stopped" }
  /** The thought was ended in the model's place: the token half is to go on from there, and not from where it is. */
  | { readonly type: "redirected" }
  /** The token half is done with the slot. `prefillMs` where it says so. */
  | { readonly type: "ended"; readonly queuedMs: number; readonly prefillMs: number | null }
  | { readonly type: "failed"; readonly code: (typeof ERROR_CODES)[number] }

export interface Choice {
  readonly predictionIds: Int32Array | undefined
  readonly answer: Answer
  readonly journal: Journal
  readonly rule: string | null
  readonly maxTokens: number
  /** The slot it holds in the token half. */
  readonly key: SlotKey | null
  /** It has begun to run since it was last submitted. */
  readonly running: boolean
  readonly completionTokens: number
  /** Proposed by speculation and judged, and those of them that were right. */
  readonly draftedTokens: number
  readonly acceptedTokens: number
  /** Told by who submits it. */
  hold(key: SlotKey | null): void
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

type Mutable<Value> = { -readonly [Field in keyof Value]: Value[Field] }

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

/** What the record at `at` says of the end of its slot; null: it is no end. */
export function endOf(words: Int32Array, at: number): Extract<ChoiceNews, { type: "ended" | "failed" }> | null {
  if (words[at] === RecordKind.error) return { type: "failed", code: ERROR_CODES[words[at + 4] ?? 0] ?? "internal" }
  if (words[at] !== RecordKind.finish) return null
  const next = at + RECORD_WORDS
  const isStatistics =
    words[next] === RecordKind.statistics && words[next + 1] === words[at + 1] && words[next + 2] === words[at + 2]
  return {
    type: "ended",
    queuedMs: milliseconds(words[at + 6]),
    prefillMs: isStatistics ? milliseconds(words[next + 4]) : null,
  }
}

export function createChoice(options: ChoiceOptions): Choice {
  const { answer, logprobs, maxTokens, rule } = options
  const journal = createJournal(options.promptIds)
  let endOfTurn = false
  let pending: PendingToken | null = null
  let thinkingTokens = 0

  /** Passes the pending token on. */
  function complete(): ChoiceNews | null {
    const token = pending
    if (token === null) return null
    pending = null
    if (answer.finished) return null
    journal.append(token.id)
    choice.completionTokens++
    if (token.endsAnswer) {
      endOfTurn = true
      return { type: "token" }
    }
    if (answer.thinking) thinkingTokens++
    answer.push(token.id, logprobs < 0 ? null : token)
    if (answer.finished) return { type: "stopped" }
    return endThought() ? { type: "redirected" } : { type: "token" }
  }

  /** The forced tokens are tokens of the answer like all others: a replay goes on after them. */
  function endThought(): boolean {
    const { thinking } = options
    if (thinking === null || !answer.thinking || thinkingTokens < thinking.tokens) return false
    if (choice.completionTokens + thinking.endIds.length >= maxTokens) return false
    for (const id of thinking.endIds) {
      journal.append(id)
      choice.completionTokens++
      answer.push(id, null)
    }
    return true
  }

  function settle(): ChoiceNews | null {
    return pending !== null && pending.top.length >= logprobs ? complete() : null
  }

  function finish(code: number): void {
    complete()
    answer.finish(code === FinishCode.length ? "length" : "stop")
  }

  // Fields, not getters: they are read for every token, and objects of one shape are read fast.
  const choice: Mutable<Choice> = {
    predictionIds: options.predictionIds,
    answer,
    journal,
    rule,
    maxTokens,
    key: null,
    running: false,
    completionTokens: 0,
    draftedTokens: 0,
    acceptedTokens: 0,
    hold(key) {
      choice.key = key
      choice.running = false
    },
    record(words, at) {
      const a = words[at + 4] ?? 0
      const b = words[at + 5] ?? 0
      switch (words[at] ?? 0) {
        case RecordKind.started:
          choice.running = true
          return { type: "started", cachedTokens: b, otherwise: (words[at + 6] ?? 0) - 1 }
        case RecordKind.token: {
          choice.running = true
          const news = complete()
          // What the token half made since then is not the answer's.
          if (news?.type === "redirected") return news
          const flags = words[at + 6] ?? 0
          const proposed = (flags & TokenFlag.proposed) === 0 ? 0 : 1
          // Tokens behind a stop string count nowhere.
          if (!answer.finished) {
            choice.draftedTokens += proposed + (flags >>> REFUSED_SHIFT)
            choice.acceptedTokens += proposed
          }
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
          return endOf(words, at)
        }
        case RecordKind.error:
          return endOf(words, at)
        default:
          return null
      }
    },
    settle,
    lost(loss) {
      const was = choice.key === null ? "held back" : choice.running ? "running" : "submitted"
      complete()
      choice.hold(null)
      if (answer.finished) return "finished"
      if (endOfTurn || journal.received >= maxTokens) {
        answer.finish(endOfTurn ? "stop" : "length")
        return "finished"
      }
      return journal.lost(loss, was) ? "again" : "given up"
    },
  }
  return choice
}
