// Rows of sequences -> step plan, and what is to be remembered between two of them: the rows whose tokens are not known
// yet, and KV operations of a plan that was taken back. Knows no memory and no queue.

import { SampleWord } from "../models/index.ts"
import { adjustmentWords, writeSampleRow } from "../sampling/index.ts"
import type { KvMemory, KvOperation } from "./kv-memory.ts"
import { adjustmentRow, lengthOf, type Sequence } from "./sequence.ts"
import type { PlanSegment, StepPlan } from "./step-plan.ts"

/** Rows of a step, by sequence, proposed tokens included. */
export type StepDraft = Map<Sequence, number>
/** Tokens that may follow the known ones, by sequence: the last rows that it has in the draft. */
export type Proposals = ReadonlyMap<Sequence, Int32Array>

export interface PlanBuilder {
  /** The sequences count as computed up to their rows, and as waiting for the tokens that they sample. */
  build(draft: StepDraft, proposals: Proposals): StepPlan
  /** The last plan is not run: the next one has its number and tells of its KV operations, which were done. */
  takeBack(plan: StepPlan): void
}

interface Sampler {
  readonly sequence: Sequence
  /** Of the token that is sampled. */
  readonly position: number
  /** Row of the step before that samples the token before it, or -1. */
  readonly pending: number
  /** Proposed tokens between the known ones and it. */
  readonly before: Int32Array
}

const NOTHING = new Int32Array(0)

export function createPlanBuilder(
  options: { readonly model: number; readonly epoch: number },
  kv: Pick<KvMemory, "takeJournal">,
): PlanBuilder {
  /** Rows of the last plan whose samples are not read: sequence number -> row. */
  let sampledRows = new Map<number, number>()
  let carried: readonly KvOperation[] = []
  let nextStep = 0

  /** The entry that names the token which the last plan samples for a sequence. */
  function previousRow(sequence: Sequence): number {
    const row = sampledRows.get(sequence.number)
    if (row === undefined) throw new Error("a token of an older step is not known yet")
    return -(row + 1)
  }

  return {
    build(draft, proposals) {
      const segments: PlanSegment[] = []
      const samplers: Sampler[] = []
      const sampled = new Map<number, number>()
      for (const [sequence, rows] of draft) {
        const proposed = proposals.get(sequence) ?? NOTHING
        const start = sequence.computed
        const own = rows - proposed.length
        const end = start + own
        const samples = end === lengthOf(sequence) ? 1 + proposed.length : 0
        const entries = new Int32Array(rows)
        entries.set(sequence.ids.subarray(start, Math.min(end, sequence.known)))
        if (end > sequence.known) entries[own - 1] = previousRow(sequence)
        entries.set(proposed, own)
        segments.push({ sequence: sequence.number, kv: sequence.kv, start, entries, samples })
        sequence.computed = start + rows
        sequence.sharedTail = false
        if (samples === 0) continue
        // The next step of a sequence with proposals waits until it is known which of them count.
        if (samples === 1) sampled.set(sequence.number, samplers.length)
        const pending = Math.max(-1, -1 - (entries[own - 1] ?? 0))
        for (let i = 0; i < samples; i++) {
          samplers.push({
            sequence,
            position: end + i,
            pending: i === 0 ? pending : -1,
            before: proposed.subarray(0, i),
          })
        }
        sequence.pending++
      }
      sampledRows = sampled
      const sampleRows = new Int32Array(samplers.length * SampleWord.WORDS)
      samplers.forEach(({ sequence, position }, row) => writeSampleRow(sampleRows, row, sequence.template, position))
      const kvOperations = [...carried, ...kv.takeJournal()]
      carried = []
      const masked = samplers.flatMap(({ sequence }, row) => (sequence.constraint === null ? [] : [row]))
      return {
        model: options.model,
        epoch: options.epoch,
        step: nextStep++,
        kvOperations,
        segments,
        sampleRows,
        logprobs: Int32Array.from(samplers, ({ sequence }) => sequence.logprobs),
        adjustments: adjustmentWords(
          samplers.map(({ sequence, position, pending, before }) => adjustmentRow(sequence, position, pending, before)),
        ),
        maskedRows: Int32Array.from(masked),
      }
    },
    takeBack(plan) {
      nextStep = plan.step
      carried = plan.kvOperations
    },
  }
}
