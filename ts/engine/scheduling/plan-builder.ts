// Rows of sequences -> step plan, and what is to be remembered between two of them: the rows whose tokens are not known
// yet, and KV operations of a plan that was taken back. Knows no memory and no queue.

import { SampleWord } from "../models/index.ts"
import { adjustmentWords, writeSampleRow } from "../sampling/index.ts"
import type { KvMemory, KvOperation } from "./kv-memory.ts"
import { adjustmentRow, lengthOf, type Sequence } from "./sequence.ts"
import type { PlanSegment, StepPlan } from "./step-plan.ts"

/** Rows of a step, by sequence. */
export type StepDraft = Map<Sequence, number>

export interface PlanBuilder {
  /** The sequences count as computed up to their rows, and as waiting for the tokens that they sample. */
  build(draft: StepDraft): StepPlan
  /** The last plan is not run: the next one has its number and tells of its KV operations, which were done. */
  takeBack(plan: StepPlan): void
}

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
    build(draft) {
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
    },
    takeBack(plan) {
      nextStep = plan.step
      carried = plan.kvOperations
    },
  }
}
