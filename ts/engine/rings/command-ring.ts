// The command ring: length-prefixed commands (command-codec.ts) from the forwarding thread to the engine worker, one
// writer and one reader. Knows nothing of what a command means. Layout and invariants: ring-control.ts; a unit is one
// byte.
//
//   tail                                head
//    v                                   v
//   [u32 length][body ......][u32 length][body ...   byte i lies at i mod capacity
//
// A command may be larger than the ring: the writer puts in what fits and keeps the rest; the reader takes the bytes
// out and joins them. Until a command is wholly in, the writer takes no other one (send says false), so what it keeps
// is bounded by one command, and a command by MAX_COMMAND_BYTES.

import { EngineError } from "../errors.ts"
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

/** 1 MiB: a prompt of 250,000 tokens goes in at once. */
export const COMMAND_RING_BYTES = 2 ** 20
/** 64 MiB: a prompt of 16 million tokens. */
export const MAX_COMMAND_BYTES = 2 ** 26

const PREFIX_BYTES = 4

/** Memory of a ring of `capacity` bytes (a power of two). */
export function allocateCommandRing(capacity: number = COMMAND_RING_BYTES): SharedArrayBuffer {
  checkCapacity(capacity)
  return new SharedArrayBuffer(4 * CONTROL_WORDS + capacity)
}

function open(memory: SharedArrayBuffer): { control: Int32Array; data: Uint8Array; capacity: number } {
  const control = new Int32Array(memory, 0, CONTROL_WORDS)
  const data = new Uint8Array(memory, 4 * CONTROL_WORDS)
  return { control, data, capacity: data.length }
}

export interface CommandRingWriter {
  /** False: an earlier command is not wholly in yet; try again when `onDrain` is called. */
  send(body: Uint8Array): boolean
  onDrain(listener: () => void): void
  close(): void
}

export function createCommandRingWriter(memory: SharedArrayBuffer): CommandRingWriter {
  const { control, data, capacity } = open(memory)
  let rest = new Uint8Array(0)
  let closed = false
  let refused = false
  const listeners: (() => void)[] = []

  function push(bytes: Uint8Array): number {
    const head = Atomics.load(control, HEAD)
    const count = Math.min(capacity - ((head - Atomics.load(control, TAIL)) | 0), bytes.length)
    if (count === 0) return 0
    const first = head & (capacity - 1)
    const straight = Math.min(count, capacity - first)
    data.set(bytes.subarray(0, straight), first)
    data.set(bytes.subarray(straight, count), 0)
    Atomics.store(control, HEAD, (head + count) | 0)
    wake(control, READER_WAITS)
    return count
  }

  async function pump(): Promise<void> {
    for (;;) {
      if (rest.length === 0 || closed) break
      await sleepAsync(control, WRITER_WAITS, () => closed || filled(control) < capacity, SAFETY_POLL_MS)
      rest = rest.subarray(push(rest))
    }
    if (closed || !refused) return
    refused = false
    for (const listener of listeners) listener()
  }

  return {
    send(body) {
      if (body.length > MAX_COMMAND_BYTES) {
        throw new EngineError("invalid_request", `A command of ${body.length} bytes is over ${MAX_COMMAND_BYTES}.`)
      }
      if (rest.length > 0) {
        refused = true
        return false
      }
      const bytes = new Uint8Array(PREFIX_BYTES + body.length)
      new DataView(bytes.buffer).setUint32(0, body.length, true)
      bytes.set(body, PREFIX_BYTES)
      rest = bytes.subarray(push(bytes))
      if (rest.length > 0) void pump()
      return true
    },
    onDrain(listener) {
      listeners.push(listener)
    },
    close() {
      closed = true
      wake(control, WRITER_WAITS)
    },
  }
}

export interface CommandRingReader {
  /** Gives every whole command that is there. The array is the listener's to keep. One atomic load when none is. */
  poll(listener: (body: Uint8Array) => void): void
  /** Blocks the thread until bytes come, at most `timeoutMs`. */
  wait(timeoutMs: number): void
}

export function createCommandRingReader(memory: SharedArrayBuffer): CommandRingReader {
  const { control, data, capacity } = open(memory)
  const prefix = new Uint8Array(PREFIX_BYTES)
  let prefixBytes = 0
  let body: Uint8Array | null = null
  let bodyBytes = 0

  function take(into: Uint8Array, at: number): number {
    const tail = Atomics.load(control, TAIL)
    const count = Math.min(filled(control), into.length - at)
    if (count === 0) return 0
    const first = tail & (capacity - 1)
    const straight = Math.min(count, capacity - first)
    into.set(data.subarray(first, first + straight), at)
    into.set(data.subarray(0, count - straight), at + straight)
    Atomics.store(control, TAIL, (tail + count) | 0)
    wake(control, WRITER_WAITS)
    return count
  }

  return {
    poll(listener) {
      while (filled(control) > 0) {
        if (body === null) {
          prefixBytes += take(prefix, prefixBytes)
          if (prefixBytes < PREFIX_BYTES) continue
          const length = new DataView(prefix.buffer).getUint32(0, true)
          if (length > MAX_COMMAND_BYTES) throw new EngineError("internal", `The command ring says ${length} bytes.`)
          body = new Uint8Array(length)
          prefixBytes = bodyBytes = 0
        }
        bodyBytes += take(body, bodyBytes)
        if (bodyBytes < body.length) continue
        const whole = body
        body = null
        listener(whole)
      }
    },
    wait(timeoutMs) {
      sleepSync(control, READER_WAITS, () => filled(control) > 0, timeoutMs)
    },
  }
}
