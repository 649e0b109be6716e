// Which sequences run in the next step, and what becomes of their tokens. One scheduler a model instance. Knows no
// arrays: it makes step plans and takes tokens; KV it knows as numbers and blocks.
//
// Continuous batching: every step carries one row of each decoding sequence, and within a token budget the next rows of
// prompts. The oldest prompt gets at least half of the budget, the shortest ones the rest, so neither a long nor a short
// prompt starves. A sequence is admitted when its KV fits beside what the running ones are sure to need; if memory ends
// all the same, the newest running sequence gives its KV back and is computed again later (preemption).
//
// Step n + 1 is made before the tokens of step n are known: such a token is named by its row in step n (`pending`). A
// sequence that ends at step n has a row too many in step n + 1, whose result is dropped.

import { EngineError } from "../errors.ts"
import type { SubmitCommand } from "../link.ts"
import { SampleWord } from "../models/index.ts"
import { FinishCode } from "../rings/index.ts"
import { adjustmentWords, type Alternative, writeSampleRow } from "../sampling/index.ts"
import type { KvMemory, KvOperation } from "./kv-memory.ts"
import type { PrefixCache } from "./prefix-cache.ts"
import { prefillShares } from "./prefill-shares.ts"
import type { RecordWriter } from "./record-writer.ts"
import {
  adjustmentRow,
  appendToken,
  createSequence,
  hasSamePrompt,
  lengthOf,
  markStarted,
  type Sequence,
} from "./sequence.ts"
import type { PlanSegment, StepPlan } from "./step-plan.ts"
import { createWaitingQueue } from "./waiting-queue.ts"

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
  /** One of each segment that sampled, in order. */
  readonly tokens: Int32Array
  /** Of the same rows; null when no row asked. */
  readonly logprobs: Float32Array | null
  /** For the rows that asked. */
  readonly alternatives: ReadonlyMap<number, readonly Alternative[]>
}

export interface Scheduler {
  readonly running: number
  readonly waiting: number
  submit(command: SubmitCommand): void
  cancel(slot: number, generation: number): void
  /** The next step, or null when there is nothing to do before the last step's tokens are known. */
  schedule(): StepPlan | null
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

/** Prompts are admitted ahead of the token budget only up to so many at a time. */
const MIN_PREFILLING = 4

export function createScheduler(
  options: SchedulerOptions,
  kv: KvMemory,
  cache: PrefixCache,
  records: RecordWriter,
  nowUs: () => number,
): Scheduler {
  const waiting = createWaitingQueue()
  /** In the order of admission. */
  let running: Sequence[] = []
  const bySlot = new Map<number, Sequence>()
  const byNumber = new Map<number, Sequence>()
  /** Rows of the last plan whose samples are not read: sequence number -> row. */
  let sampledRows = new Map<number, number>()
  /** KV operations of a plan that was taken back: they were done, and the next plan tells of them. */
  let carried: readonly KvOperation[] = []
  let nextNumber = 0
  let nextStep = 0

  const { blockPositions, blocksTotal } = kv.use()
  const blocks = (positions: number): number => Math.ceil(positions / blockPositions)
  const blocksFree = (): number => blocksTotal - kv.use().blocksUsed
  const endsInsideBlock = (positions: number): boolean => positions % blockPositions !== 0

  /** Blocks that writing up to `length` takes. */
  function blocksToReach(sequence: Sequence, length: number): number {
    return blocks(length) - blocks(sequence.computed) + (sequence.sharedTail ? 1 : 0)
  }

  /** Frees cached KV until `needed` blocks are free. */
  function evictUntil(needed: number): boolean {
    while (blocksFree() < needed) if (!cache.evict()) return false
    return true
  }

  /** Takes a sequence out of everything; its KV goes to the prefix cache as far as its tokens are known. */
  function leave(sequence: Sequence, keepKv: boolean): void {
    sequence.finished = true
    running = running.filter((other) => other !== sequence)
    waiting.remove(sequence)
    byNumber.delete(sequence.number)
    if (bySlot.get(sequence.slot) === sequence) bySlot.delete(sequence.slot)
    if (sequence.kv < 0) return
    const length = Math.min(sequence.computed, sequence.known)
    if (keepKv && length > 0) {
      kv.truncate(sequence.kv, length)
      cache.insert(sequence.client, sequence.ids.slice(0, length), sequence.kv)
    } else {
      kv.close(sequence.kv)
    }
    sequence.kv = -1
  }

  function finish(sequence: Sequence, code: number): void {
    records.finish(sequence, code, sequence.known - sequence.promptLength)
    leave(sequence, true)
  }

  function failSequence(sequence: Sequence, code: "internal" | "out_of_memory" | "model_not_found"): void {
    records.error(sequence, code)
    leave(sequence, false)
  }

  function preempt(sequence: Sequence): void {
    running = running.filter((other) => other !== sequence)
    if (sequence.kv >= 0) kv.close(sequence.kv)
    sequence.kv = -1
    sequence.computed = 0
    sequence.sharedTail = false
    waiting.pushPreempted(sequence)
  }

  /** Rows of a step, by sequence. */
  type Draft = Map<Sequence, number>

  function planned(draft: Draft): number {
    let sum = 0
    for (const [sequence, rows] of draft) sum += blocksToReach(sequence, sequence.computed + rows)
    return sum
  }

  /** Puts rows of a running sequence into the draft, preempting newer ones for room. False: it was preempted itself. */
  function include(draft: Draft, sequence: Sequence, rows: number): boolean {
    draft.set(sequence, rows)
    while (!evictUntil(planned(draft))) {
      const newest = running.at(-1)
      if (newest === undefined || (newest === sequence && running.length === 1)) {
        draft.delete(sequence)
        failSequence(sequence, "out_of_memory")
        return false
      }
      draft.delete(newest)
      preempt(newest)
      if (newest === sequence) return false
    }
    return true
  }

  /** With so many tokens it has all that was asked, or all that the model can hold. */
  function isAtEnd(sequence: Sequence, length: number): boolean {
    return length - sequence.promptLength >= sequence.maxTokens || length >= options.contextLength
  }

  const remaining = (sequence: Sequence): number => lengthOf(sequence) - sequence.computed
  const isPrefilling = (sequence: Sequence): boolean => sequence.kv >= 0 && remaining(sequence) > 1
  const isDecoding = (sequence: Sequence): boolean =>
    sequence.kv >= 0 && remaining(sequence) === 1 && !(sequence.pending > 0 && isAtEnd(sequence, lengthOf(sequence)))

  /** Whether the next in the queue fits beside the running ones; fails it when it never can. */
  function fits(sequence: Sequence): boolean {
    const needed = blocks(lengthOf(sequence) + 1)
    let held = 0
    let reserved = 0
    for (const other of running) {
      held += blocks(lengthOf(other) + 1)
      reserved += blocksToReach(other, lengthOf(other) + 1)
    }
    // Cached KV is given up only for a sequence that then fits.
    if (running.length > 0 && needed + held > blocksTotal) return blocksFree() >= needed + reserved
    return evictUntil(needed + reserved)
  }

  /**
   * Gives an admitted sequence its KV: what a running one of the same prompt has computed, or else the prefix cache.
   * False: its twin is still at the prompt, and it waits for it; one prompt is computed once for all its choices.
   */
  function attach(sequence: Sequence): boolean {
    // One token at least is run: its logits are the answer.
    const most = sequence.known - 1
    const shared = Math.min(sequence.promptLength, most)
    const twin = shared > 0 ? running.find((other) => other.kv >= 0 && hasSamePrompt(other, sequence)) : undefined
    if (twin !== undefined && twin.computed < shared) return false
    const hit = twin === undefined ? cache.lookup(sequence.client, sequence.ids, most) : null
    sequence.computed = twin === undefined ? (hit?.length ?? 0) : shared
    sequence.kv = twin === undefined ? (hit?.kv ?? kv.open()) : kv.fork(twin.kv, shared)
    sequence.sharedTail = endsInsideBlock(sequence.computed)
    if (twin !== undefined && endsInsideBlock(twin.computed) && blocks(shared) === blocks(twin.computed))
      twin.sharedTail = true
    if (markStarted(sequence, nowUs())) records.started(sequence)
    return true
  }

  function admit(budget: number): void {
    let tokens = 0
    let prefilling = 0
    for (const sequence of running.filter(isPrefilling)) {
      tokens += remaining(sequence)
      prefilling++
    }
    while (running.length < options.maxRunning && (tokens < budget || prefilling < MIN_PREFILLING)) {
      const sequence = waiting.peek()
      if (sequence === undefined || sequence.pending > 0) return
      if (!fits(sequence)) {
        if (running.length > 0) return
        failSequence(sequence, "out_of_memory")
        continue
      }
      waiting.take()
      const hasKv = attach(sequence)
      running.push(sequence)
      if (!hasKv) continue
      tokens += remaining(sequence)
      prefilling++
    }
  }

  function sharePrefill(draft: Draft, budget: number): void {
    const prompts = running.filter((sequence) => isPrefilling(sequence) && !draft.has(sequence))
    const shares = prefillShares(prompts.map(remaining), budget)
    prompts.forEach((sequence, i) => {
      const rows = shares[i] ?? 0
      if (rows > 0 && running.includes(sequence)) include(draft, sequence, rows)
    })
  }

  function toPlan(draft: Draft): StepPlan {
    const segments: PlanSegment[] = []
    const samplers: { sequence: Sequence; position: number; pending: number }[] = []
    const sampled = new Map<number, number>()
    for (const [sequence, rows] of draft) {
      const start = sequence.computed
      const end = start + rows
      const samples = end === lengthOf(sequence)
      const entries = new Int32Array(rows)
      entries.set(sequence.ids.subarray(start, Math.min(end, sequence.known)))
      if (end > sequence.known) entries[rows - 1] = previousRow(sequence)
      segments.push({ sequence: sequence.number, kv: sequence.kv, start, entries, samples })
      sequence.computed = end
      sequence.sharedTail = false
      if (!samples) continue
      sampled.set(sequence.number, samplers.length)
      samplers.push({ sequence, position: end, pending: Math.max(-1, -1 - (entries[rows - 1] ?? 0)) })
      sequence.pending++
    }
    sampledRows = sampled
    const sampleRows = new Int32Array(samplers.length * SampleWord.WORDS)
    samplers.forEach(({ sequence, position }, row) => writeSampleRow(sampleRows, row, sequence.template, position))
    const kvOperations = [...carried, ...kv.takeJournal()]
    carried = []
    return {
      model: options.model,
      epoch: options.epoch,
      step: nextStep++,
      kvOperations,
      segments,
      sampleRows,
      logprobs: Int32Array.from(samplers, ({ sequence }) => sequence.logprobs),
      adjustments: adjustmentWords(
        samplers.map(({ sequence, position, pending }) => adjustmentRow(sequence, position, pending)),
      ),
    }
  }

  /** The entry that names the token which the last plan samples for a sequence. */
  function previousRow(sequence: Sequence): number {
    const row = sampledRows.get(sequence.number)
    if (row === undefined) throw new Error("a token of an older step is not known yet")
    return -(row + 1)
  }

  /** The sequences of a plan that sampled and are still there, with their rows. */
  function* samplersOf(plan: StepPlan): Generator<[row: number, sequence: Sequence]> {
    let row = 0
    for (const segment of plan.segments) {
      if (!segment.samples) continue
      const sequence = byNumber.get(segment.sequence)
      if (sequence !== undefined) yield [row, sequence]
      row++
    }
  }

  return {
    get running() {
      return running.length
    },
    get waiting() {
      return waiting.size
    },
    submit(command) {
      const { slot, generation, promptIds, resumed } = command
      try {
        const invalid = (message: string): EngineError => new EngineError("invalid_request", message)
        if (waiting.size >= MAX_WAITING) throw new EngineError("overloaded")
        if (bySlot.has(slot)) throw invalid(`slot ${slot} is taken`)
        if (promptIds.length === 0 || resumed > promptIds.length) throw invalid("the prompt is empty")
        if (promptIds.some((id) => id < 0 || id >= options.vocabularySize)) throw invalid("no such token")
        if (promptIds.length >= options.contextLength && resumed === 0) throw invalid("the prompt is too long")
        const sequence = createSequence(nextNumber++, command, options.vocabularySize, nowUs())
        if (isAtEnd(sequence, sequence.known)) {
          records.started(sequence)
          records.finish(sequence, FinishCode.length, resumed)
          return
        }
        bySlot.set(slot, sequence)
        byNumber.set(sequence.number, sequence)
        waiting.push(sequence)
      } catch (error) {
        const code = error instanceof EngineError ? error.code : "internal"
        records.error({ slot, generation }, code === "invalid_request" || code === "overloaded" ? code : "internal")
      }
    },
    cancel(slot, generation) {
      const sequence = bySlot.get(slot)
      if (sequence?.generation === generation) finish(sequence, FinishCode.cancelled)
    },
    schedule() {
      const draft: Draft = new Map()
      for (const sequence of running) if (sequence.kv < 0) attach(sequence)
      const before = running
      for (const sequence of running.filter(isDecoding)) {
        if (running.includes(sequence)) include(draft, sequence, 1)
      }
      const budget = draft.size > 0 ? options.interleavedChunk : options.prefillChunk
      // What was just preempted for room is not taken back in the same step.
      if (before.every((sequence) => running.includes(sequence))) admit(budget)
      sharePrefill(draft, budget)
      for (const sequence of running.filter(isDecoding)) if (!draft.has(sequence)) include(draft, sequence, 1)
      return draft.size === 0 ? null : toPlan(draft)
    },
    complete(plan, samples) {
      for (const [row, sequence] of samplersOf(plan)) {
        const token = samples.tokens[row]
        if (token === undefined) throw new Error("a step gave fewer tokens than it sampled")
        sequence.pending--
        appendToken(sequence, token)
        if (sequence.known - sequence.promptLength === 1) sequence.firstTokenAtUs = nowUs()
        const isEnd = sequence.eosIds.has(token)
        const others = samples.alternatives.get(row) ?? []
        records.token(sequence, token, samples.logprobs?.[row] ?? 0, isEnd, others)
        if (isEnd) finish(sequence, FinishCode.stop)
        else if (isAtEnd(sequence, sequence.known)) finish(sequence, FinishCode.length)
      }
    },
    retract(plan) {
      nextStep = plan.step
      carried = plan.kvOperations
      for (const [, sequence] of samplersOf(plan)) sequence.pending--
      for (const { sequence: number, start } of plan.segments) {
        const sequence = byNumber.get(number)
        if (sequence === undefined || sequence.kv < 0) continue
        sequence.computed = start
        sequence.sharedTail = endsInsideBlock(start)
      }
      if (cache.evict()) return
      const newest = running.at(-1)
      if (newest === undefined) return
      if (running.length === 1) failSequence(newest, "out_of_memory")
      else preempt(newest)
    },
    fail(plan) {
      for (const { sequence: number } of plan.segments) {
        const sequence = byNumber.get(number)
        if (sequence !== undefined) failSequence(sequence, "internal")
      }
    },
    close(tellRequests) {
      for (const sequence of byNumber.values()) {
        if (tellRequests) failSequence(sequence, "model_not_found")
        else leave(sequence, false)
      }
      cache.clear()
    },
  }
}
