// The control words that both rings share: counters and wake flags of one writer and one reader on a
// SharedArrayBuffer. Knows nothing of what the ring carries.
//
//   word  0  head          units written since the start; only the writer stores it
//   word 16  tail          units read since the start; only the reader stores it
//   word 32  readerWaits   1 while the reader sleeps or is about to
//   word 48  writerWaits   1 while the writer waits for room
//   word 64  first word of the data (each control word has a cache line of its own)
//
// Invariants, in wrapping 32-bit arithmetic: 0 <= head - tail <= capacity; capacity is a power of two, so that a
// counter's low bits are the position. Data is written before head moves and read before tail moves; Atomics orders
// both. Nobody misses a wake-up: a sleeper sets its flag, then looks at the counter again; the other side moves the
// counter, then looks at the flag.

export const HEAD = 0
export const TAIL = 16
export const READER_WAITS = 32
export const WRITER_WAITS = 48
export const CONTROL_WORDS = 64

/** Longest sleep of an asynchronous waiter: a net under the wake-up, should one ever be lost. */
export const SAFETY_POLL_MS = 100

export type WaitFlag = typeof READER_WAITS | typeof WRITER_WAITS

/** Units in the ring. */
export function filled(control: Int32Array): number {
  return (Atomics.load(control, HEAD) - Atomics.load(control, TAIL)) | 0
}

/** Wakes whoever sleeps on `flag`. Costs one atomic operation when nobody does. */
export function wake(control: Int32Array, flag: WaitFlag): void {
  if (Atomics.compareExchange(control, flag, 1, 0) === 1) Atomics.notify(control, flag)
}

/** Sleeps the thread until a wake-up or the deadline, unless `ready` holds. Not for a main thread. */
export function sleepSync(control: Int32Array, flag: WaitFlag, ready: () => boolean, timeoutMs: number): void {
  Atomics.store(control, flag, 1)
  if (!ready()) Atomics.wait(control, flag, 1, timeoutMs)
  Atomics.store(control, flag, 0)
}

/**
 * The same without blocking the thread. The promise does not keep the process alive. A deadline costs a timer, which is
 * more than the rest.
 */
export async function sleepAsync(
  control: Int32Array,
  flag: WaitFlag,
  ready: () => boolean,
  timeoutMs?: number,
): Promise<void> {
  Atomics.store(control, flag, 1)
  if (!ready()) {
    const result = Atomics.waitAsync(control, flag, 1, timeoutMs)
    if (result.async) await result.value
  }
  Atomics.store(control, flag, 0)
}

/** A power of two, so that counters may wrap at 2^32. */
export function checkCapacity(capacity: number): void {
  if (!Number.isInteger(Math.log2(capacity)) || capacity > 2 ** 30) {
    throw new RangeError(`ring capacity ${capacity} is not a power of two up to 2^30`)
  }
}
