// The request history on disk: one JSON object a line, as GET /requests gives them, rotated by size. No answer waits for
// it; a disk that fails costs entries, never requests.

import { appendFileSync, statSync } from "node:fs"
import { appendFile, rename } from "node:fs/promises"
import type { RequestView } from "../dashboard/index.ts"
import { LIMITS } from "./limits.ts"

export interface RequestLog {
  write(request: RequestView): void
  /** Resolves when everything is on disk. Idempotent. */
  close(): Promise<void>
}

/** Only the owner may read: it may hold prompts. */
const MODE = 0o600

/**
 * Appends to `file`; when it would grow above `maxBytes` it becomes file.1, file.1 becomes file.2 and so on, and the
 * oldest of `kept` files goes. Throws when the file cannot be written at the start; later failures are told to `log`.
 */
export function createRequestLog(
  file: string,
  log: (line: string) => void,
  bounds: { readonly maxBytes: number; readonly kept: number } = {
    maxBytes: LIMITS.requestLogBytes,
    kept: LIMITS.requestLogFiles,
  },
): RequestLog {
  try {
    appendFileSync(file, "", { mode: MODE })
  } catch (cause) {
    throw new Error(`the request log ${file} cannot be written: choose another file`, { cause })
  }
  let size = statSync(file).size
  let pending: string[] = []
  let pendingBytes = 0
  let lost = 0
  let failing = false
  let busy = false
  let writing = Promise.resolve()

  const rotate = async () => {
    for (let age = bounds.kept - 1; age >= 1; age--) {
      const from = age === 1 ? file : `${file}.${age - 1}`
      await rename(from, `${file}.${age}`).catch((error: unknown) => {
        // Fewer files than may be kept is the usual state.
        if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error
      })
    }
    size = 0
  }
  const flush = async () => {
    while (pending.length > 0) {
      const lines = pending
      pending = []
      pendingBytes = 0
      try {
        for (const line of lines) {
          const bytes = Buffer.byteLength(line)
          if (size > 0 && size + bytes > bounds.maxBytes) await rotate()
          await appendFile(file, line, { mode: MODE })
          size += bytes
        }
        if (failing) log(`http: the request log is written again; ${lost} entries were lost`)
        failing = false
        lost = 0
      } catch (error) {
        lost += lines.length
        if (!failing) log(`http: the request log ${file} cannot be written: ${String(error)}; entries are lost`)
        failing = true
      }
    }
  }

  return {
    write(request) {
      const line = `${JSON.stringify(request)}\n`
      if (pendingBytes + line.length > LIMITS.requestLogPendingBytes) {
        lost++
        return
      }
      pending.push(line)
      pendingBytes += line.length
      // A flush that runs takes what has come meanwhile.
      if (busy) return
      busy = true
      writing = flush().finally(() => {
        busy = false
      })
    },
    async close() {
      await writing
    },
  }
}
