// One choice of one request while it waits and runs: its tokens, its KV, what it may still do. Knows no queue.

import { EngineError } from "../errors.ts"
import type { SubmitCommand } from "../link.ts"
import {
  type Adjuster,
  type Constraint,
  createAdjuster,
  type OpenConstraint,
  type SampleTemplate,
  sampleTemplate,
} from "../sampling/index.ts"
import type { PrefixFetch } from "./prefix-cache.ts"

export interface Sequence {
  /** The scheduler's number, never used again. */
  readonly number: number
  readonly slot: number
  readonly generation: number
  readonly client: number
  /** Only sequences of the same salt share KV. */
  readonly salt: string
  readonly eosIds: ReadonlySet<number>
  readonly template: SampleTemplate
  /** Null: its logits are taken as they are. */
  readonly adjuster: Adjuster | null
  /** What it may say; null: everything. */
  readonly constraint: Constraint | null
  readonly logprobs: number
  /** Completion tokens at most. */
  readonly maxTokens: number
  /** Prompt tokens, without those a replay brings back. */
  readonly promptLength: number
  /** Tokens that its answer will probably have; none: nothing is predicted. */
  readonly prediction: Int32Array
  /** Prompt and generated tokens that are known: ids[0 .. known - 1]. */
  ids: Int32Array
  known: number
  /** 1 while a sampled token is not read yet; the length is known + pending. */
  pending: number
  /** Positions whose KV a submitted step has written. */
  computed: number
  /** Brings in KV of its prompt that is kept elsewhere; null: nothing is. */
  fetch: PrefixFetch | null
  /** KV sequence, or -1: it waits in the queue, or, admitted, for a twin whose prompt it shares. */
  kv: number
  /** The last block of `kv` is shared with another sequence: the next write copies it. */
  sharedTail: boolean
  /** Tokens found in the prefix cache at the first admission. */
  cached: number
  /** The token that the prefix cache has behind them in place of the prompt's, or -1. */
  otherwise: number
  /** Tokens that were proposed and judged, and those of them that were right. */
  drafted: number
  accepted: number
  started: boolean
  finished: boolean
  readonly queuedAtUs: number
  startedAtUs: number
  firstTokenAtUs: number
}

/** Throws EngineError "invalid_request" when its sampling cannot be done. */
export function createSequence(
  number: number,
  command: SubmitCommand,
  vocabularySize: number,
  nowUs: number,
  openConstraint: OpenConstraint | null = null,
): Sequence {
  const { promptIds, resumed, sampling, rule } = command
  const promptLength = promptIds.length - resumed
  const eosIds = sampling.ignoreEos ? [] : command.eosIds
  if (rule !== undefined && openConstraint === null)
    throw new EngineError("invalid_request", "Answers cannot be constrained here.")
  // The constraint knows when nothing but the end can follow, and then lets it come.
  const minTokens = sampling.adjustments?.minTokens ?? 0
  const adjustments =
    rule === undefined || sampling.adjustments === undefined
      ? sampling.adjustments
      : { ...sampling.adjustments, minTokens: 0 }
  const adjuster = createAdjuster(adjustments, eosIds, vocabularySize)
  if (adjuster !== null) for (const id of promptIds.subarray(promptLength)) adjuster.generated(id)
  return {
    number,
    slot: command.slot,
    generation: command.generation,
    client: command.client,
    salt: command.salt ?? "",
    eosIds: new Set(eosIds),
    template: sampleTemplate(sampling, vocabularySize, command.eosIds),
    adjuster,
    constraint:
      rule === undefined || openConstraint === null
        ? null
        : openConstraint(rule, Int32Array.from(eosIds), minTokens, promptIds.slice(promptLength)),
    logprobs: command.logprobs,
    maxTokens: command.maxTokens,
    promptLength,
    prediction: (command.predictionIds ?? new Int32Array(0)).filter((id) => id >= 0 && id < vocabularySize),
    ids: promptIds,
    known: promptIds.length,
    pending: 0,
    computed: 0,
    fetch: null,
    kv: -1,
    sharedTail: false,
    cached: 0,
    otherwise: -1,
    drafted: 0,
    accepted: 0,
    started: false,
    finished: false,
    queuedAtUs: nowUs,
    startedAtUs: nowUs,
    firstTokenAtUs: nowUs,
  }
}

/** Tokens, the one that is being sampled included. */
export function lengthOf(sequence: Sequence): number {
  return sequence.known + sequence.pending
}

/** Tokens whose KV is not computed. */
export function remainingOf(sequence: Sequence): number {
  return lengthOf(sequence) - sequence.computed
}

/** It has KV, and more than one token before the next to be sampled. */
export function isPrefilling(sequence: Sequence): boolean {
  return sequence.kv >= 0 && remainingOf(sequence) > 1
}

export function appendToken(sequence: Sequence, id: number): void {
  if (sequence.known === sequence.ids.length) {
    const larger = new Int32Array(Math.max(64, 2 * sequence.known))
    larger.set(sequence.ids)
    sequence.ids = larger
  }
  sequence.ids[sequence.known++] = id
  sequence.adjuster?.generated(id)
  if (!sequence.eosIds.has(id)) sequence.constraint?.advance(id)
}

/**
 * Its words of OP_ADJUST for the token at `position`. `pending`: row of the token before it, or -1. `proposed`: tokens
 * between the known ones and it, as if they had come.
 */
export function adjustmentRow(
  sequence: Sequence,
  position: number,
  pending: number,
  proposed: Int32Array,
): Int32Array | null {
  const { adjuster, ids, known, promptLength } = sequence
  if (adjuster === null) return null
  let history = ids.subarray(0, known)
  if (proposed.length > 0) {
    history = new Int32Array(known + proposed.length)
    history.set(ids.subarray(0, known))
    history.set(proposed, known)
  }
  return adjuster.words(history, pending, position - promptLength, proposed.length)
}

/** Whether both answer the same prompt and may share its KV, as the choices of one request do. */
export function hasSamePrompt(a: Sequence, b: Sequence): boolean {
  if (a === b || a.salt !== b.salt || a.promptLength !== b.promptLength) return false
  for (let i = 0; i < a.promptLength; i++) if (a.ids[i] !== b.ids[i]) return false
  return true
}

/** It runs from now on. False: it did before, and was preempted. */
export function markStarted(sequence: Sequence, nowUs: number): boolean {
  if (sequence.started) return false
  sequence.started = true
  sequence.cached = Math.min(sequence.computed, sequence.promptLength)
  sequence.startedAtUs = nowUs
  return true
}
