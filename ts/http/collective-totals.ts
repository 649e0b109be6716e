// What the ranks' collectives have carried and cost, over restarts of the token half, whose own totals begin anew.

import type { StepWork } from "../engine/index.ts"
import { LIMITS } from "./limits.ts"
import { createRateHistory } from "./rate-history.ts"

export interface CollectiveTotals {
  readonly operations: number
  /** Of rank 0's operands. */
  readonly bytes: number
  readonly seconds: number
  /** Bytes a second of collective in the last minute, waiting for the slowest rank included; null while none ran. */
  readonly bytesPerSecond: number | null
  /** Share of the steps' time in the last minute, 0..1; null while none ran. */
  readonly share: number | null
}

export interface CollectiveCounter {
  update(work: StepWork, nowMs: number): void
  /** Null while there were none. */
  read(nowMs: number): CollectiveTotals | null
}

export function createCollectiveCounter(): CollectiveCounter {
  const minute = () => createRateHistory(LIMITS.historySeconds)
  const rates = { bytes: minute(), collectiveUs: minute(), stepUs: minute() }
  const totals = { operations: 0, bytes: 0, microseconds: 0 }
  let last: StepWork["collectives"] = totals

  return {
    update({ collectives: told, stepUs, collectiveUs }, nowMs) {
      const isSame = told.operations >= last.operations
      const since = (key: keyof typeof totals) => told[key] - (isSame ? last[key] : 0)
      const bytes = since("bytes")
      totals.operations += since("operations")
      totals.bytes += bytes
      totals.microseconds += since("microseconds")
      last = { ...told }
      rates.bytes.add(bytes, nowMs)
      rates.collectiveUs.add(sum(collectiveUs), nowMs)
      rates.stepUs.add(sum(stepUs), nowMs)
    },
    read(nowMs) {
      if (totals.operations === 0) return null
      const bytes = sum(rates.bytes.seconds(nowMs))
      const collectiveUs = sum(rates.collectiveUs.seconds(nowMs))
      const stepUs = sum(rates.stepUs.seconds(nowMs))
      return {
        operations: totals.operations,
        bytes: totals.bytes,
        seconds: totals.microseconds / 1e6,
        bytesPerSecond: collectiveUs > 0 ? (bytes * 1e6) / collectiveUs : null,
        share: collectiveUs > 0 && stepUs > 0 ? Math.min(1, collectiveUs / stepUs) : null,
      }
    },
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
