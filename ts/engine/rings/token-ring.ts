// The token ring: records (record.ts) from the engine worker to the thread that forwards them, one writer and one
// reader. Knows nothing of what a record means. Layout and invariants: ring-control.ts; a unit is one record.
//
//   tail                    head
//    v                       v
//   [r][r][r][r][r][r][r][r][ ][ ][ ][ ]   record i lies at slot i mod capacity
//
// A full ring is backpressure, never loss: the writer keeps what does not fit in its backlog, in order, and its owner
// runs no step while there is one. The backlog is therefore bounded by the records of one step. The records of a flush
// appear together, so a token is seen with its alternatives (unless a step alone is larger than the ring).

import { RECORD_WORDS } from "./record.ts"
import {
  CONTROL_WORDS,
  HEAD,
  READER_WAITS,
  SAFETY_POLL_MS,
  TAIL,
  WRITER_WAITS,
  checkCapacity,
  filled,
  sleepAsync,
  sleepSync,
  wake,
} from "./ring-control.ts"

/** Records of a ring unless said otherwise: 32 sequences x 64 tokens x 4, 256 KiB. */
export const TOKEN_RING_RECORDS = 8192

/** Memory of a ring of `capacity` records (a power of two). */
export function allocateTokenRing(capacity: number = TOKEN_RING_RECORDS): SharedArrayBuffer {
  checkCapacity(capacity)
  return new SharedArrayBuffer(4 * (CONTROL_WORDS + capacity * RECORD_WORDS))
}

function open(memory: SharedArrayBuffer): { control: Int32Array; data: Int32Array; capacity: number } {
  const control = new Int32Array(memory, 0, CONTROL_WORDS)
  const data = new Int32Array(memory, 4 * CONTROL_WORDS)
  return { control, data, capacity: data.length / RECORD_WORDS }
}

export interface TokenRingWriter {
  /** Appends whole records. They are seen by the reader after the next flush. */
  write(words: Int32Array): void
  /** Moves what fits into the ring and wakes the reader. True when no backlog is left. */
  flush(): boolean
  /** Blocks the thread until the reader has made room, at most `timeoutMs`. */
  waitForRoom(timeoutMs: number): void
}

export function createTokenRingWriter(memory: SharedArrayBuffer): TokenRingWriter {
  const { control, data, capacity } = open(memory)
  let backlog = new Int32Array(64 * RECORD_WORDS)
  let start = 0
  let end = 0

  return {
    write(words) {
      if (words.length % RECORD_WORDS !== 0) throw new RangeError("a part of a record")
      if (end + words.length > backlog.length) {
        const kept = end - start
        const larger = new Int32Array(Math.max(backlog.length, 2 * (kept + words.length)))
        larger.set(backlog.subarray(start, end))
        backlog = larger
        start = 0
        end = kept
      }
      backlog.set(words, end)
      end += words.length
    },
    flush() {
      const head = Atomics.load(control, HEAD)
      const room = capacity - ((head - Atomics.load(control, TAIL)) | 0)
      const kept = (end - start) / RECORD_WORDS
      const count = kept <= room ? kept : kept > capacity ? room : 0
      if (count > 0) {
        const first = head & (capacity - 1)
        const straight = Math.min(count, capacity - first) * RECORD_WORDS
        data.set(backlog.subarray(start, start + straight), first * RECORD_WORDS)
        data.set(backlog.subarray(start + straight, start + count * RECORD_WORDS), 0)
        start += count * RECORD_WORDS
        Atomics.store(control, HEAD, (head + count) | 0)
        wake(control, READER_WAITS)
      }
      if (start === end) start = end = 0
      return start === end
    },
    waitForRoom(timeoutMs) {
      const wanted = Math.min(capacity, (end - start) / RECORD_WORDS)
      sleepSync(control, WRITER_WAITS, () => capacity - filled(control) >= wanted, timeoutMs)
    },
  }
}

export interface TokenRingReader {
  /** Gives the records that are there in one array, valid during the call. Returns their number. */
  drain(listener: (words: Int32Array) => void): number
  /** Drains whenever records come, until `stop` is called, and once more after that. */
  run(listener: (words: Int32Array) => void): Promise<void>
  stop(): void
}

export function createTokenRingReader(memory: SharedArrayBuffer): TokenRingReader {
  const { control, data, capacity } = open(memory)
  let stopped = false

  function drain(listener: (words: Int32Array) => void): number {
    const tail = Atomics.load(control, TAIL)
    const count = filled(control)
    if (count === 0) return 0
    const first = tail & (capacity - 1)
    const straight = Math.min(count, capacity - first)
    const head = data.subarray(first * RECORD_WORDS, (first + straight) * RECORD_WORDS)
    if (count === straight) listener(head)
    else {
      const joined = new Int32Array(count * RECORD_WORDS)
      joined.set(head)
      joined.set(data.subarray(0, (count - straight) * RECORD_WORDS), head.length)
      listener(joined)
    }
    Atomics.store(control, TAIL, (tail + count) | 0)
    wake(control, WRITER_WAITS)
    return count
  }

  return {
    drain,
    async run(listener) {
      // A wait with a deadline would cost a timer a token: one net for all waits instead.
      const net = setInterval(() => wake(control, READER_WAITS), SAFETY_POLL_MS).unref()
      const isRunning = () => !stopped
      const isReady = () => stopped || filled(control) > 0
      while (isRunning()) {
        drain(listener)
        // A flood must not keep the event loop from its other work.
        if (filled(control) > 0) await new Promise(setImmediate)
        else await sleepAsync(control, READER_WAITS, isReady)
      }
      clearInterval(net)
      drain(listener)
    },
    stop() {
      stopped = true
      wake(control, READER_WAITS)
    },
  }
}
