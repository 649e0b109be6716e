// Carries step plans out: plan -> command buffer -> MLX -> tokens. Knows no queue; the same on every rank.
//
// Registers that survive a step, by the parity of its number, so that a step can be submitted while the tokens of the
// one before are still to be read:
//   0, 1 tokens   2, 3 log-probabilities   4, 5 logits of the rows that asked for alternatives
//   6, 7 a hidden row of a step that samples nothing, only to wait for it: prompts must not run ahead of cancellation; or
//        the raw logits of a step whose masks are still to come: the device is at its layers while they are computed
//   8, 9 hashes of the hidden states of all ranks, where there are several

import type { NativeEngine } from "mlx-jaccl-rs"
import { EngineError } from "../errors.ts"
import { CommandBuffer, type Model, NONE, SampleWord } from "../models/index.ts"
import { type Alternative, alternatives } from "../sampling/index.ts"
import type { KvSequences } from "./kv-memory.ts"
import { createRankAgreement } from "./rank-agreement.ts"
import type { StepSamples } from "./scheduler.ts"
import type { StepPlan } from "./step-plan.ts"

export interface ModelRunner {
  /** Encodes a step and submits it. Throws KvFullError, and then nothing has happened. */
  submit(plan: StepPlan): void
  /** Samples a step that has masked rows, which submit left undone. Submits it; before read. */
  sample(plan: StepPlan, masks: Int32Array): void
  /** Waits for the tokens of a submitted step; of the last two at most. */
  read(plan: StepPlan): StepSamples
}

/** The KV store could not hold a step. */
export class KvFullError extends EngineError {
  constructor(cause: unknown) {
    super("out_of_memory", "The KV memory is full.", { cause })
  }
}

/** std::length_error of the shim (kv_reserve): nothing of the step has happened. */
const KV_FULL = /KV memory is full|no free block/

export function isKvFull(error: unknown): boolean {
  return error instanceof Error && KV_FULL.test(error.message)
}

/** MLX keeps freed buffers for the next step; a long run of odd sizes would keep them all. */
const CLEAR_CACHE_STEPS = 256

type StepCalls = Pick<NativeEngine, "exec" | "readTokens" | "readFloats" | "clearCache">

export const RUNNER_REGISTERS = 10

export interface ModelRunnerOptions {
  readonly vocabularySize: number
  readonly hiddenSize: number
  /** The first of the RUNNER_REGISTERS persistent registers that are this model's. */
  readonly firstRegister: number
  /** That the model is split over. Default 1. */
  readonly ranks?: number | undefined
}

export function createModelRunner(
  engine: StepCalls,
  model: Model,
  kv: Pick<KvSequences, "handle">,
  options: ModelRunnerOptions,
): ModelRunner {
  const { vocabularySize, hiddenSize, firstRegister, ranks = 1 } = options
  const agreement = ranks > 1 ? createRankAgreement(engine, ranks) : null
  const buffer = new CommandBuffer()
  let steps = 0

  function registersOf(step: number) {
    const first = firstRegister + (step & 1)
    return { tokens: first, logprobs: first + 2, logits: first + 4, hidden: first + 6, agreement: first + 8 }
  }

  function encode(plan: StepPlan): void {
    const { segments, step } = plan
    buffer.reset()
    buffer.batch(segments.map(({ kv: sequence, entries, start }) => [kv.handle(sequence), entries.length, start]))
    const entries = new Int32Array(segments.reduce((rows, segment) => rows + segment.entries.length, 0))
    const sampledRows: number[] = []
    let row = 0
    for (const segment of segments) {
      entries.set(segment.entries, row)
      row += segment.entries.length
      for (let i = segment.samples; i > 0; i--) sampledRows.push(row - i)
    }
    const refersBack = entries.some((entry) => entry < 0)
    const previous = refersBack ? registersOf(step - 1).tokens : NONE
    const tokens = buffer.tokens(entries, previous)
    const hidden = model.forward(buffer, tokens)
    const out = registersOf(step)
    agreement?.append(buffer, hidden, out.agreement)
    if (sampledRows.length === 0) {
      buffer.evaluate([buffer.rows(hidden, Int32Array.of(row - 1), out.hidden)])
      return
    }
    const sampled = sampledRows.length === row ? hidden : buffer.rows(hidden, Int32Array.from(sampledRows))
    // Rows that only their best token is wanted of spare the ranks the exchange of whole logits.
    if (ranks > 1 && isPlainGreedy(plan)) {
      model.best(buffer, sampled, out.tokens)
      buffer.evaluate([out.tokens])
      return
    }
    const raw = model.logits(buffer, sampled)
    if (plan.maskedRows.length === 0) {
      encodeSampling(plan, raw, null)
      return
    }
    buffer.rows(raw, Int32Array.from(sampledRows.keys()), out.hidden)
    buffer.evaluate([out.hidden])
  }

  function encodeSampling(plan: StepPlan, raw: number, masks: Int32Array | null): void {
    const { adjustments, logprobs, maskedRows } = plan
    const out = registersOf(plan.step)
    const refersBack = plan.segments.some(({ entries }) => entries.some((entry) => entry < 0))
    const previous = refersBack ? registersOf(plan.step - 1).tokens : NONE
    const changed = adjustments.length === 0 ? raw : buffer.adjust(raw, previous, logprobs.length, adjustments)
    const logits = masks === null ? changed : buffer.mask(changed, maskedRows, masks)
    const wantsLogprobs = logprobs.some((count) => count >= 0)
    buffer.sample(out.tokens, wantsLogprobs ? out.logprobs : NONE, logits, plan.sampleRows)
    const asked = rowsWithAlternatives(plan)
    if (asked.length > 0) buffer.rows(logits, Int32Array.from(asked), out.logits)
    buffer.evaluate([out.tokens, ...(wantsLogprobs ? [out.logprobs] : []), ...(asked.length > 0 ? [out.logits] : [])])
  }

  return {
    submit(plan) {
      encode(plan)
      // Before the step and never after: clearing waits for what is submitted, and the other ranks, without which this
      // step's collectives do not end, are told of it afterwards.
      if (++steps % CLEAR_CACHE_STEPS === 0) engine.clearCache()
      try {
        engine.exec(buffer.tape, buffer.length)
      } catch (error) {
        if (isKvFull(error)) throw new KvFullError(error)
        throw error
      }
    },
    sample(plan, masks) {
      buffer.reset()
      encodeSampling(plan, registersOf(plan.step).hidden, masks)
      engine.exec(buffer.tape, buffer.length)
    },
    read(plan) {
      const count = plan.logprobs.length
      const tokens = new Int32Array(count)
      const byRow = new Map<number, readonly Alternative[]>()
      const from = registersOf(plan.step)
      agreement?.check(from.agreement, plan.step)
      if (count === 0) {
        engine.readFloats(from.hidden, new Float32Array(hiddenSize))
        return { tokens, logprobs: null, alternatives: byRow }
      }
      const read = engine.readTokens(from.tokens, tokens)
      if (read !== count) throw new EngineError("internal", `A step gave ${read} tokens, not ${count}.`)
      if (plan.logprobs.every((wanted) => wanted < 0)) return { tokens, logprobs: null, alternatives: byRow }
      const logprobs = new Float32Array(count)
      engine.readFloats(from.logprobs, logprobs)
      const asked = rowsWithAlternatives(plan)
      if (asked.length > 0) {
        const logits = new Float32Array(asked.length * vocabularySize)
        engine.readFloats(from.logits, logits)
        asked.forEach((row, i) => {
          const own = logits.subarray(i * vocabularySize, (i + 1) * vocabularySize)
          const { logprob, best } = alternatives(own, plan.logprobs[row] ?? 0, tokens[row] ?? 0)
          logprobs[row] = logprob
          byRow.set(row, best)
        })
      }
      return { tokens, logprobs, alternatives: byRow }
    },
  }
}

function isPlainGreedy({ adjustments, maskedRows, logprobs, sampleRows }: StepPlan): boolean {
  if (adjustments.length > 0 || maskedRows.length > 0 || logprobs.some((count) => count >= 0)) return false
  // Bits of a temperature of 0.
  return logprobs.every((_, row) => sampleRows[row * SampleWord.WORDS + SampleWord.TEMPERATURE] === 0)
}

function rowsWithAlternatives(plan: StepPlan): readonly number[] {
  return [...plan.logprobs.keys()].filter((row) => (plan.logprobs[row] ?? 0) > 0)
}
