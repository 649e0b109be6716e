// KV sequences as the scheduler sees them: numbers of its own, each operation done at once and noted for the next step
// plan, so that followers do the same in the same order. Knows no layout.

import type { NativeEngine } from "mlx-jaccl-rs"

/** Kinds of KvOperation; append-only. */
export const KvOperationKind = { open: 1, fork: 2, truncate: 3, close: 4 } as const

export type KvOperation =
  | { readonly kind: "open"; readonly kv: number }
  /** `kv` shares the first `length` positions of `from`. */
  | { readonly kind: "fork"; readonly kv: number; readonly from: number; readonly length: number }
  | { readonly kind: "truncate"; readonly kv: number; readonly length: number }
  | { readonly kind: "close"; readonly kv: number }

export interface KvUse {
  readonly blocksTotal: number
  readonly blocksUsed: number
  /** Positions a block holds. */
  readonly blockPositions: number
  readonly bytesTotal: number
  readonly bytesUsed: number
}

export interface KvMemory {
  open(): number
  fork(from: number, length: number): number
  truncate(kv: number, length: number): void
  close(kv: number): void
  use(): KvUse
  /** The operations since the last call, in order. */
  takeJournal(): readonly KvOperation[]
}

/** The store's sequences by the scheduler's numbers. Rank 0 calls its methods; a follower applies the journal. */
export interface KvSequences extends KvMemory {
  apply(operations: readonly KvOperation[]): void
  /** The native handle of a sequence, for a command buffer. */
  handle(kv: number): number
  closeAll(): void
}

type KvCalls = Pick<NativeEngine, "kvOpen" | "kvFork" | "kvTruncate" | "kvClose" | "kvStats">

export function createKvSequences(engine: KvCalls, store: number): KvSequences {
  const handles = new Map<number, number>()
  let journal: KvOperation[] = []
  let next = 0

  function handle(kv: number): number {
    const found = handles.get(kv)
    if (found === undefined) throw new Error(`there is no KV sequence ${kv}`)
    return found
  }

  function perform(operation: KvOperation): void {
    switch (operation.kind) {
      case "open":
        handles.set(operation.kv, engine.kvOpen(store))
        break
      case "fork":
        handles.set(operation.kv, engine.kvFork(handle(operation.from), operation.length))
        break
      case "truncate":
        engine.kvTruncate(handle(operation.kv), operation.length)
        break
      case "close":
        engine.kvClose(handle(operation.kv))
        handles.delete(operation.kv)
        break
    }
  }

  function note(operation: KvOperation): number {
    perform(operation)
    journal.push(operation)
    return operation.kv
  }

  return {
    open: () => note({ kind: "open", kv: next++ }),
    fork: (from, length) => note({ kind: "fork", kv: next++, from, length }),
    truncate: (kv, length) => void note({ kind: "truncate", kv, length }),
    close: (kv) => void note({ kind: "close", kv }),
    use: () => engine.kvStats(store),
    takeJournal() {
      const taken = journal
      journal = []
      return taken
    },
    apply(operations) {
      for (const operation of operations) perform(operation)
    },
    handle,
    closeAll() {
      for (const native of handles.values()) engine.kvClose(native)
      handles.clear()
      journal = []
    },
  }
}
