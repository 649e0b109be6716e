// A step plan: what one step of one model instance does, as data. Rank 0's scheduler makes it, every rank's runner
// carries it out. Knows no arrays and no queues. Little-endian 32-bit words; kinds are append-only.
//
//   version, model, epoch, step,
//   n, then n KV operations of 4 words: KvOperationKind, kv, from (or -1), length (or -1)
//   n, then n segments: sequence, kv, start, samples, rows, then `rows` entries
//   n, then n sampled rows of WORDS sample words, then n logprob requests,
//   n, then n words of OP_ADJUST, n, then n masked rows

import { EngineError } from "../errors.ts"
import { SampleWord } from "../models/index.ts"
import { type KvOperation, KvOperationKind } from "./kv-memory.ts"

const PLAN_VERSION = 4

export interface PlanSegment {
  /** The scheduler's number of the sequence. */
  readonly sequence: number
  readonly kv: number
  /** Position of the first row. */
  readonly start: number
  /** Token ids, or -(i + 1): the token of sampled row i of the step before. */
  readonly entries: Int32Array
  /**
   * How many of the last rows are sampled: 0 of a prompt's part, 1, or 1 + n where the last n entries are proposed tokens
   * that the samples before them judge.
   */
  readonly samples: number
}

export interface StepPlan {
  readonly model: number
  /** Counts the lives of the rank group. */
  readonly epoch: number
  /** Counts the steps of an epoch; a gap is a lost plan. */
  readonly step: number
  /** To be done before the step. */
  readonly kvOperations: readonly KvOperation[]
  readonly segments: readonly PlanSegment[]
  /** SampleWord.WORDS words for each row that is sampled, in order. */
  readonly sampleRows: Int32Array
  /** For each of them: -1 no logprob, else the alternatives wanted beside it. */
  readonly logprobs: Int32Array
  /** Rows of OP_ADJUST for each of them; empty: no row asks. */
  readonly adjustments: Int32Array
  /**
   * Sampled rows, ascending, whose masks come later, when the tokens of the step before are known: the step is sampled by
   * ModelRunner.sample. Empty: it is by submit.
   */
  readonly maskedRows: Int32Array
}

export function encodePlan(plan: StepPlan): Int32Array {
  const words: number[] = [PLAN_VERSION, plan.model, plan.epoch, plan.step, plan.kvOperations.length]
  for (const operation of plan.kvOperations) {
    const from = operation.kind === "fork" ? operation.from : -1
    const length = operation.kind === "fork" || operation.kind === "truncate" ? operation.length : -1
    words.push(KvOperationKind[operation.kind], operation.kv, from, length)
  }
  words.push(plan.segments.length)
  for (const { sequence, kv, start, samples, entries } of plan.segments) {
    words.push(sequence, kv, start, samples, entries.length)
    for (const entry of entries) words.push(entry)
  }
  words.push(plan.logprobs.length)
  const { sampleRows, logprobs, adjustments, maskedRows } = plan
  words.push(...sampleRows, ...logprobs, adjustments.length)
  return Int32Array.from([...words, ...adjustments, maskedRows.length, ...maskedRows])
}

/** Throws EngineError when the words are not exactly one plan. */
export function decodePlan(words: Int32Array): StepPlan {
  let at = 0
  const bad = (what: string): EngineError => new EngineError("internal", `A step plan ${what}.`)
  const next = (): number => {
    const value = words[at++]
    if (value === undefined) throw bad(`ends at word ${words.length}`)
    return value
  }
  const count = (wordsEach: number): number => {
    const value = next()
    if (value < 0 || value * wordsEach > words.length - at) throw bad(`claims ${value} entries at word ${at}`)
    return value
  }
  const several = (length: number): Int32Array => {
    if (length > words.length - at) throw bad(`ends at word ${words.length}`)
    at += length
    return words.slice(at - length, at)
  }
  const kvOperation = (): KvOperation => {
    const [kind, kv, from, length] = [next(), next(), next(), next()]
    switch (kind) {
      case KvOperationKind.open:
        return { kind: "open", kv }
      case KvOperationKind.fork:
        return { kind: "fork", kv, from, length }
      case KvOperationKind.truncate:
        return { kind: "truncate", kv, length }
      case KvOperationKind.close:
        return { kind: "close", kv }
      default:
        throw bad(`holds the unknown KV operation ${kind}`)
    }
  }
  const version = next()
  if (version !== PLAN_VERSION) throw bad(`has version ${version}, not ${PLAN_VERSION}`)
  const [model, epoch, step] = [next(), next(), next()]
  const kvOperations = Array.from({ length: count(4) }, kvOperation)
  const segments = Array.from({ length: count(5) }, (): PlanSegment => {
    const [sequence, kv, start, samples] = [next(), next(), next(), next()]
    const entries = several(count(1))
    if (samples < 0 || samples > entries.length) throw bad(`samples ${samples} of ${entries.length} rows`)
    return { sequence, kv, start, samples, entries }
  })
  const samples = count(SampleWord.WORDS + 1)
  if (samples !== segments.reduce((sum, segment) => sum + segment.samples, 0)) throw bad("samples rows of no segment")
  const sampleRows = several(samples * SampleWord.WORDS)
  const logprobs = several(samples)
  const adjustments = several(count(1))
  const maskedRows = several(count(1))
  if (maskedRows.some((row) => row < 0 || row >= samples)) throw bad("masks a row that it does not sample")
  if (at !== words.length) throw bad(`has ${words.length - at} words too many`)
  return { model, epoch, step, kvOperations, segments, sampleRows, logprobs, adjustments, maskedRows }
}
