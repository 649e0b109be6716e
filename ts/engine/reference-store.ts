// Answers that one rank alone gave to the proof's prompt, kept in files so that each is computed once. Knows neither
// models nor ranks.

import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { ProofAnswer } from "./proof.ts"

export interface ReferenceStore {
  /** null: not there, or not readable. */
  read(key: string): ProofAnswer | null
  /** Nothing happens where the folder cannot be written: the answer is computed again next time. */
  write(key: string, answer: ProofAnswer): void
}

/** `folder` null: nothing is kept. Keys are names of files. */
export function createReferenceStore(folder: string | null): ReferenceStore {
  return {
    read(key) {
      if (folder === null) return null
      try {
        const value: unknown = JSON.parse(readFileSync(join(folder, `${key}.json`), "utf8"))
        return isAnswer(value) ? value : null
      } catch {
        return null
      }
    },
    write(key, answer) {
      if (folder === null) return
      try {
        mkdirSync(folder, { recursive: true, mode: 0o700 })
        const path = join(folder, `${key}.json`)
        // Whole or not at all: another server may read it now.
        writeFileSync(`${path}.${process.pid}`, `${JSON.stringify(answer)}\n`)
        renameSync(`${path}.${process.pid}`, path)
      } catch {
        // A read-only home is no reason not to serve.
      }
    },
  }
}

function isAnswer(value: unknown): value is ProofAnswer {
  if (typeof value !== "object" || value === null || !("tokens" in value) || !("logprobs" in value)) return false
  const isNumbers = (list: unknown) => Array.isArray(list) && list.every((one) => typeof one === "number")
  return isNumbers(value.tokens) && isNumbers(value.logprobs)
}
