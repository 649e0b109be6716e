// Which sequences run in the next step, and what becomes of their tokens. One scheduler a model instance. Knows no
// arrays: it makes step plans and takes tokens; KV it knows as numbers and blocks.
//
// Continuous batching: every step carries one row of each decoding sequence, and within a token budget the next rows of
// prompts. The oldest prompt gets at least half of the budget, the shortest ones the rest, so neither a long nor a short
// prompt starves. A sequence is admitted when its KV fits beside what the running ones are sure to need; if memory ends
// all the same, the newest running sequence gives its KV back and is computed again later (preemption).
//
// Step n + 1 is made before the tokens of step n are known: such a token is named by its row in step n (`pending`). A
// sequence that ends at step n has a row too many in step n + 1, whose result is dropped. Sequences with proposed tokens
// (speculator.ts) do not run ahead: what is proposed follows what is known.

import { EngineError } from "../errors.ts"
import type { SubmitCommand } from "../link.ts"
import { FinishCode } from "../rings/index.ts"
import { type Alternative, MASK_BITS, type OpenConstraint, writeMasks } from "../sampling/index.ts"
import { createAdmission } from "./admission.ts"
import type { KvMemory } from "./kv-memory.ts"
import { createKvRoom } from "./kv-room.ts"
import { createPlanBuilder, type Proposals, type StepDraft } from "./plan-builder.ts"
import { prefillShares } from "./prefill-shares.ts"
import type { PrefixCache } from "./prefix-cache.ts"
import type { RecordWriter } from "./record-writer.ts"
import { createRoster } from "./roster.ts"
import { appendToken, createSequence, isPrefilling, lengthOf, remainingOf, type Sequence } from "./sequence.ts"
import type { Candidate, Speculator } from "./speculator.ts"
import type { PlanSegment, StepPlan } from "./step-plan.ts"

export interface SchedulerOptions {
  readonly model: number
  readonly epoch: number
  readonly vocabularySize: number
  readonly contextLength: number
  /** Sequences in the batch at most. */
  readonly maxRunning: number
  /** Prompt tokens a step at most. */
  readonly prefillChunk: number
  /** The same while other sequences decode: it bounds the time a prompt adds to their steps. */
  readonly interleavedChunk: number
}

export interface StepSamples {
  /** One of each row that sampled, in order. */
  readonly tokens: Int32Array
  /** Of the same rows; null when no row asked. */
  readonly logprobs: Float32Array | null
  /** For the rows that asked. */
  readonly alternatives: ReadonlyMap<number, readonly Alternative[]>
}

export interface Scheduler {
  readonly running: number
  readonly waiting: number
  /** A sequence waits for its grammar or its KV, of which nobody tells. */
  readonly isPreparing: boolean
  /** The tokens of the last step are to be completed before the next one is scheduled: proposals follow them. */
  readonly awaitsTokens: boolean
  submit(command: SubmitCommand): void
  cancel(slot: number, generation: number): void
  /** The next step, or null when there is nothing to do before the last step's tokens are known. */
  schedule(): StepPlan | null
  /** The masks of a plan's masked rows, one after the other. Asked when the tokens of the step before are completed. */
  masks(plan: StepPlan): Int32Array
  complete(plan: StepPlan, samples: StepSamples): void
  /** The KV memory could not hold the step, which was not run: it is undone and the newest sequence preempted. */
  retract(plan: StepPlan): void
  /** The step failed: its requests get an error. */
  fail(plan: StepPlan): void
  /** Gives all KV back. Requests get an error when the model goes; when the whole rank does, their link is lost. */
  close(tellRequests: boolean): void
}

/** Waiting sequences at most: the front bounds its queue far below; this bounds the rank whatever the front does. */
const MAX_WAITING = 4096

export function createScheduler(
  options: SchedulerOptions,
  kv: KvMemory,
  cache: PrefixCache,
  records: RecordWriter,
  nowUs: () => number,
  speculator: Speculator | null = null,
  openConstraint: OpenConstraint | null = null,
): Scheduler {
  const { vocabularySize, contextLength } = options
  const room = createKvRoom(kv, cache)
  const roster = createRoster(kv, cache, records, (sequence) => speculator?.left(sequence))
  const admission = createAdmission(options.maxRunning, roster, room, kv, cache, records, nowUs)
  const plans = createPlanBuilder(options, kv)
  let nextNumber = 0
  /** The last step that was scheduled, where its time tells what steps of its size cost. */
  let timed: { readonly step: number; readonly rows: number; readonly begunUs: number } | null = null

  /** Blocks that the step takes. */
  function planned(draft: StepDraft): number {
    let sum = 0
    for (const [sequence, rows] of draft) sum += room.blocksToReach(sequence, sequence.computed + rows)
    return sum
  }

  /** Puts rows of a running sequence into the draft, preempting newer ones for room. False: it was preempted itself. */
  function include(draft: StepDraft, sequence: Sequence, rows: number): boolean {
    draft.set(sequence, rows)
    while (!room.evictUntil(planned(draft))) {
      const newest = roster.running.at(-1)
      if (newest === undefined || (newest === sequence && roster.running.length === 1)) {
        draft.delete(sequence)
        roster.fail(sequence, "out_of_memory")
        return false
      }
      draft.delete(newest)
      roster.preempt(newest)
      if (newest === sequence) return false
    }
    return true
  }

  /** With so many tokens it has all that was asked, or all that the model can hold. */
  function isAtEnd(sequence: Sequence, length: number): boolean {
    return length - sequence.promptLength >= sequence.maxTokens || length >= contextLength
  }

  const isDecoding = (sequence: Sequence): boolean =>
    sequence.kv >= 0 && remainingOf(sequence) === 1 && !(sequence.pending > 0 && isAtEnd(sequence, lengthOf(sequence)))

  function sharePrefill(draft: StepDraft, budget: number): void {
    const prompts = roster.running.filter((sequence) => isPrefilling(sequence) && !draft.has(sequence))
    const shares = prefillShares(prompts.map(remainingOf), budget)
    prompts.forEach((sequence, i) => {
      const rows = shares[i] ?? 0
      if (rows > 0 && roster.running.includes(sequence)) include(draft, sequence, rows)
    })
  }

  /** Adds rows for proposed tokens where memory is left; nobody gives way for them. */
  function speculate(draft: StepDraft): Proposals {
    const proposals = new Map<Sequence, Int32Array>()
    if (speculator === null) return proposals
    const candidates: Candidate[] = []
    let rows = 0
    for (const [sequence, own] of draft) {
      rows += own
      const { known, promptLength, maxTokens } = sequence
      if (sequence.pending > 0 || sequence.computed + 1 !== known || !speculator.isActive(sequence)) continue
      const most = Math.min(maxTokens - (known - promptLength), contextLength - known) - 1
      if (most > 0) candidates.push({ sequence, most })
    }
    if (candidates.length === 0) return proposals
    for (const [sequence, tokens] of speculator.propose(candidates, rows)) {
      draft.set(sequence, 1 + tokens.length)
      if (room.evictUntil(planned(draft))) proposals.set(sequence, tokens)
      else draft.set(sequence, 1)
    }
    return proposals
  }

  /** The segments of a plan that sampled and whose sequences are still there, with the first row of each. */
  function* samplersOf(plan: StepPlan): Generator<[row: number, sequence: Sequence, segment: PlanSegment]> {
    let row = 0
    for (const segment of plan.segments) {
      if (segment.samples === 0) continue
      const sequence = roster.numbered(segment.sequence)
      if (sequence !== undefined) yield [row, sequence, segment]
      row += segment.samples
    }
  }

  /** Takes the samples of a sequence as far as the proposed tokens before them are the ones that were sampled. */
  function take(sequence: Sequence, segment: PlanSegment, row: number, samples: StepSamples): void {
    const proposed = segment.entries.subarray(segment.entries.length - segment.samples + 1)
    sequence.pending--
    for (let i = 0; ; i++) {
      const token = samples.tokens[row + i]
      if (token === undefined) throw new Error("a step gave fewer tokens than it sampled")
      const isRight = token === proposed[i]
      const isEnd = sequence.eosIds.has(token)
      const length = sequence.known + 1
      const isLast = !isRight || isEnd || isAtEnd(sequence, length)
      appendToken(sequence, token)
      if (length - sequence.promptLength === 1) sequence.firstTokenAtUs = nowUs()
      const accepted = i + (isRight ? 1 : 0)
      records.token(sequence, token, {
        logprob: samples.logprobs?.[row + i] ?? 0,
        isEnd,
        isProposed: isRight,
        refused: isLast ? proposed.length - accepted : 0,
        others: samples.alternatives.get(row + i) ?? [],
      })
      if (!isLast) continue
      if (proposed.length > 0) {
        sequence.drafted += proposed.length
        sequence.accepted += accepted
        speculator?.judged(sequence, proposed.length, accepted)
        // What follows a refused token was computed for nothing, and is written again.
        if (sequence.kv >= 0) sequence.computed = Math.min(sequence.computed, sequence.known - 1)
      }
      if (isEnd) roster.finish(sequence, FinishCode.stop)
      else if (isAtEnd(sequence, length))
        roster.finish(sequence, isWhole(sequence) ? FinishCode.stop : FinishCode.length)
      return
    }
  }

  /** Its grammar lets nothing follow. */
  function isWhole({ constraint }: Sequence): boolean {
    const words = new Int32Array(constraint === null ? 0 : Math.ceil(vocabularySize / MASK_BITS))
    return constraint !== null && writeMasks(constraint, new Int32Array(0), words) === "complete"
  }

  function beginTiming(plan: StepPlan): void {
    const isPure = speculator !== null && plan.segments.every(({ entries, samples }) => samples === entries.length)
    const rows = plan.logprobs.length
    timed = isPure ? { step: plan.step, rows, begunUs: nowUs() } : null
  }

  return {
    get running() {
      return roster.running.length
    },
    get waiting() {
      return roster.waiting.size + roster.preparing
    },
    get isPreparing() {
      return roster.preparing > 0
    },
    get awaitsTokens() {
      return (
        speculator !== null && roster.running.some((sequence) => sequence.pending > 0 && speculator.isActive(sequence))
      )
    },
    submit(command) {
      const { slot, generation, promptIds, resumed } = command
      try {
        const invalid = (message: string): EngineError => new EngineError("invalid_request", message)
        if (roster.waiting.size + roster.preparing >= MAX_WAITING) throw new EngineError("overloaded")
        if (roster.inSlot(slot) !== undefined) throw invalid(`slot ${slot} is taken`)
        if (promptIds.length === 0 || resumed > promptIds.length) throw invalid("the prompt is empty")
        if (promptIds.some((id) => id < 0 || id >= vocabularySize)) throw invalid("no such token")
        if (promptIds.length >= contextLength && resumed === 0) throw invalid("the prompt is too long")
        const sequence = createSequence(nextNumber++, command, vocabularySize, nowUs(), openConstraint)
        if (isAtEnd(sequence, sequence.known)) {
          records.started(sequence)
          records.finish(sequence, FinishCode.length, resumed)
          return
        }
        sequence.fetch = cache.prepare(sequence.salt, promptIds, promptIds.length - 1)
        roster.enter(sequence)
      } catch (error) {
        const code = error instanceof EngineError ? error.code : "internal"
        records.error({ slot, generation }, code === "invalid_request" || code === "overloaded" ? code : "internal")
      }
    },
    cancel(slot, generation) {
      const sequence = roster.inSlot(slot)
      if (sequence?.generation === generation) roster.finish(sequence, FinishCode.cancelled)
    },
    schedule() {
      const draft: StepDraft = new Map()
      roster.settle()
      admission.attachTwins()
      const before = roster.running
      for (const sequence of before.filter(isDecoding)) {
        if (roster.running.includes(sequence)) include(draft, sequence, 1)
      }
      const budget = draft.size > 0 ? options.interleavedChunk : options.prefillChunk
      // What was just preempted for room is not taken back in the same step.
      if (before.every((sequence) => roster.running.includes(sequence))) admission.admit(budget)
      sharePrefill(draft, budget)
      for (const sequence of roster.running.filter(isDecoding)) if (!draft.has(sequence)) include(draft, sequence, 1)
      if (draft.size === 0) return null
      const proposals = speculate(draft)
      const plan = plans.build(draft, proposals)
      beginTiming(plan)
      return plan
    },
    masks(plan) {
      const words = Math.ceil(vocabularySize / MASK_BITS)
      const masks = new Int32Array(plan.maskedRows.length * words)
      // Of sequences that are over, nothing is forbidden.
      masks.fill(-1)
      for (const [row, sequence, { entries, samples }] of samplersOf(plan)) {
        if (sequence.constraint === null) continue
        const at = plan.maskedRows.indexOf(row) * words
        const drafts = entries.subarray(entries.length - samples + 1)
        const found = writeMasks(sequence.constraint, drafts, masks.subarray(at, at + samples * words))
        if (found === "complete") roster.finish(sequence, FinishCode.stop)
        else if (found === "failed") roster.fail(sequence, "invalid_request")
      }
      return masks
    },
    complete(plan, samples) {
      for (const [row, sequence, segment] of samplersOf(plan)) take(sequence, segment, row, samples)
      if (timed?.step === plan.step) speculator?.stepTook(timed.rows, nowUs() - timed.begunUs)
    },
    retract(plan) {
      plans.takeBack(plan)
      for (const [, sequence] of samplersOf(plan)) sequence.pending--
      for (const { sequence: number, start } of plan.segments) {
        const sequence = roster.numbered(number)
        if (sequence === undefined || sequence.kv < 0) continue
        sequence.computed = start
        sequence.sharedTail = room.endsInsideBlock(start)
      }
      if (cache.evict()) return
      const newest = roster.running.at(-1)
      if (newest === undefined) return
      if (roster.running.length === 1) roster.fail(newest, "out_of_memory")
      else roster.preempt(newest)
    },
    fail(plan) {
      for (const { sequence: number } of plan.segments) {
        const sequence = roster.numbered(number)
        if (sequence !== undefined) roster.fail(sequence, "internal")
      }
    },
    close(tellRequests) {
      roster.clear(tellRequests)
      cache.clear()
    },
  }
}
