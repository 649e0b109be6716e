// What happens to a sequence -> records (rings/record.ts). Knows no ring: `emit` takes the words.

import { ERROR_CODES, FinishCode, RECORD_WORDS, RecordKind, REFUSED_SHIFT, TokenFlag } from "../rings/index.ts"
import type { Alternative } from "../sampling/index.ts"
import type { Sequence } from "./sequence.ts"

export interface TokenFacts {
  readonly logprob: number
  readonly isEnd: boolean
  /** It was proposed before it was sampled. */
  readonly isProposed: boolean
  /** Proposed tokens that its sample, or the end of the answer, made worthless. */
  readonly refused: number
  readonly others: readonly Alternative[]
}

export interface RecordWriter {
  started(sequence: Sequence): void
  token(sequence: Sequence, id: number, facts: TokenFacts): void
  /** Finish and its statistics. */
  finish(sequence: Sequence, code: number, completionTokens: number): void
  error(target: Pick<Sequence, "slot" | "generation">, code: (typeof ERROR_CODES)[number]): void
}

export function createRecordWriter(
  model: number,
  emit: (words: Int32Array) => void,
  nowUs: () => number,
): RecordWriter {
  const words = new Int32Array(RECORD_WORDS)
  const floats = new Float32Array(words.buffer)

  function record(kind: number, target: Pick<Sequence, "slot" | "generation">, a: number, b: number, c: number): void {
    words.set([kind, target.slot, target.generation, model, a, b, c, nowUs()])
    emit(words)
  }
  /** The bit pattern of an f32. */
  function bits(value: number): number {
    floats[0] = value
    return words[0] ?? 0
  }

  return {
    started: (sequence) =>
      record(RecordKind.started, sequence, sequence.promptLength, sequence.cached, sequence.otherwise + 1),
    token(sequence, id, { logprob, isEnd, isProposed, refused, others }) {
      const flags = (isEnd ? TokenFlag.ends : 0) | (isProposed ? TokenFlag.proposed : 0)
      record(RecordKind.token, sequence, id, bits(logprob), flags | (refused << REFUSED_SHIFT))
      for (const other of others) record(RecordKind.alternative, sequence, other.id, bits(other.logprob), 0)
    },
    finish(sequence, code, completionTokens) {
      const { startedAtUs, queuedAtUs, firstTokenAtUs, drafted, accepted } = sequence
      record(RecordKind.finish, sequence, code, completionTokens, startedAtUs - queuedAtUs)
      if (code !== FinishCode.cancelled) {
        record(RecordKind.statistics, sequence, Math.max(0, firstTokenAtUs - startedAtUs), drafted, accepted)
      }
    },
    error: (target, code) => record(RecordKind.error, target, ERROR_CODES.indexOf(code), 0, 0),
  }
}
