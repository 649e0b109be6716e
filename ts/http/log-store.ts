// The newest lines of the server's log, numbered, so that readers can ask for what came since.

import { LIMITS } from "./limits.ts"
import { createRingLog } from "./ring-log.ts"

export interface LogLine {
  /** Counts from 1 without gaps. */
  readonly sequence: number
  /** Unix milliseconds. */
  readonly time: number
  /** "rank 0", "cluster", "engine", "http" or "front". */
  readonly source: string
  readonly text: string
}

export interface LogStore {
  push(line: string): void
  /** Lines after a sequence number, oldest first; those that were dropped are missing. */
  since(sequence: number): LogLine[]
}

const SOURCE = /^(rank \d+|cluster|engine|http): /

export function createLogStore(date: () => number = () => Date.now()): LogStore {
  const lines = createRingLog<LogLine>(LIMITS.logLines)
  let sequence = 0
  return {
    push(line) {
      const text = line.slice(0, LIMITS.logLineChars)
      const found = SOURCE.exec(text)
      sequence++
      lines.push({ sequence, time: date(), source: found?.[1] ?? "front", text: text.slice(found?.[0].length ?? 0) })
    },
    since: (after) => lines.list().filter((line) => line.sequence > after),
  }
}
