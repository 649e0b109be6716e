// Frames: how messages and payloads are cut out of a stream of bytes. Knows neither their meaning nor sockets.
//
//   0        4                                  the length counts the body alone
//   ┌────────┬──────────────────────────────┐
//   │ length │ "{" ... "}"                  │    a message: JSON text in UTF-8
//   └────────┴──────────────────────────────┘
//   ┌────────┬──────┬───────────┬───────────┐
//   │ length │ 0x01 │ kind: u16 │ bytes ... │    a payload: opaque to the control plane
//   └────────┴──────┴───────────┴───────────┘
//   All integers are big-endian. Any other first byte is refused.

import { ControlError } from "./errors.ts"
import { MAX_MESSAGE_BYTES } from "./limits.ts"

export type Frame =
  | { readonly type: "message"; readonly text: string }
  /** `bytes` may be a view of a larger buffer, at any offset; it stays valid. Never a Buffer, whose slice is no copy. */
  | { readonly type: "payload"; readonly kind: number; readonly bytes: Uint8Array }

const LENGTH_BYTES = 4
const BRACE = 0x7b
const BINARY = 0x01
/** Length, mark and kind of a payload. */
const PAYLOAD_HEADER_BYTES = 7

export function encodeMessageFrame(text: string): Uint8Array {
  const length = Buffer.byteLength(text)
  if (length > MAX_MESSAGE_BYTES) {
    throw new ControlError("frame_too_large", `a message of ${length} bytes is above ${MAX_MESSAGE_BYTES}`)
  }
  const frame = Buffer.allocUnsafe(LENGTH_BYTES + length)
  frame.writeUInt32BE(length, 0)
  frame.write(text, LENGTH_BYTES)
  return frame
}

/** Payloads up to here are copied behind their header: one write of one part costs less than one of two. */
const JOINED_PAYLOAD_BYTES = 2048

/** The parts of a payload's frame, to be sent one after the other. A large payload is its own part, not copied. */
export function encodePayload(kind: number, bytes: Uint8Array): readonly Uint8Array[] {
  const isJoined = bytes.length <= JOINED_PAYLOAD_BYTES
  const head = Buffer.allocUnsafe(PAYLOAD_HEADER_BYTES + (isJoined ? bytes.length : 0))
  head.writeUInt32BE(bytes.length + 3, 0)
  head[LENGTH_BYTES] = BINARY
  head.writeUInt16BE(kind, LENGTH_BYTES + 1)
  if (!isJoined) return [head, bytes]
  head.set(bytes, PAYLOAD_HEADER_BYTES)
  return [head]
}

export interface FrameDecoder {
  /** Bodies longer than this are refused as soon as their length is read. */
  maxFrameBytes: number
  /** Takes the next bytes of the stream and hands out each frame they complete. Throws ControlError; then it is dead. */
  push(chunk: Uint8Array, onFrame: (frame: Frame) => void): void
}

export function createFrameDecoder(maxFrameBytes: number): FrameDecoder {
  const head = Buffer.alloc(LENGTH_BYTES + 1)
  let headBytes = 0
  /** The body so far; its first byte is head's last. */
  let body: Buffer | null = null
  let bodyBytes = 0
  let dead = false

  const decoder: FrameDecoder = {
    maxFrameBytes,
    push(chunk, onFrame) {
      if (dead) throw new ControlError("frame_invalid", "the stream was refused before")
      try {
        decode(chunk, onFrame)
      } catch (error) {
        dead = true
        body = null
        throw error
      }
    },
  }

  function decode(chunk: Uint8Array, onFrame: (frame: Frame) => void): void {
    let at = 0
    while (at < chunk.length) {
      if (body === null) {
        const end = headBytes === 0 ? payloadEnd(chunk, at, decoder.maxFrameBytes) : 0
        if (end > 0) {
          const kind = (chunk[at + LENGTH_BYTES + 1] ?? 0) * 256 + (chunk[at + LENGTH_BYTES + 2] ?? 0)
          const from = at + PAYLOAD_HEADER_BYTES
          at = end
          onFrame({ type: "payload", kind, bytes: new Uint8Array(chunk.buffer, chunk.byteOffset + from, end - from) })
          continue
        }
        const take = Math.min(head.length - headBytes, chunk.length - at)
        head.set(chunk.subarray(at, at + take), headBytes)
        headBytes += take
        at += take
        // The length is judged as soon as it is there: a stranger may never send the byte after it.
        if (headBytes >= LENGTH_BYTES) checkLength(head.readUInt32BE(0), decoder.maxFrameBytes)
        if (headBytes < head.length) return
        const length = head.readUInt32BE(0)
        const mark = head[LENGTH_BYTES]
        checkMark(mark, length)
        const rest = length - 1
        // The common case: the whole body lies in this chunk and is not copied again.
        if (chunk.length - at >= rest) {
          headBytes = 0
          const view = Buffer.from(chunk.buffer, chunk.byteOffset + at, rest)
          at += rest
          onFrame(mark === BRACE ? messageOf(view) : payloadOf(view))
          continue
        }
        body = Buffer.allocUnsafe(rest)
        bodyBytes = 0
      }
      const take = Math.min(body.length - bodyBytes, chunk.length - at)
      body.set(chunk.subarray(at, at + take), bodyBytes)
      bodyBytes += take
      at += take
      if (bodyBytes === body.length) {
        const whole = body
        body = null
        headBytes = 0
        onFrame(head[LENGTH_BYTES] === BRACE ? messageOf(whole) : payloadOf(whole))
      }
    }
  }
  return decoder
}

/** Where the payload frame that begins at `at` ends, if all of it is in the chunk, as nearly always; else 0. */
function payloadEnd(chunk: Uint8Array, at: number, maxFrameBytes: number): number {
  if (chunk.length - at < PAYLOAD_HEADER_BYTES || chunk[at + LENGTH_BYTES] !== BINARY) return 0
  const [a = 0, b = 0, c = 0, d = 0] = [chunk[at], chunk[at + 1], chunk[at + 2], chunk[at + 3]]
  const length = ((a * 256 + b) * 256 + c) * 256 + d
  const end = at + LENGTH_BYTES + length
  return length >= 3 && length <= maxFrameBytes && end <= chunk.length ? end : 0
}

function checkLength(length: number, maxFrameBytes: number): void {
  if (length === 0) throw new ControlError("frame_invalid", "a frame of length 0")
  if (length > maxFrameBytes) {
    throw new ControlError("frame_too_large", `a frame of ${length} bytes is above ${maxFrameBytes}`)
  }
}

function checkMark(mark: number | undefined, length: number): void {
  if (mark === BRACE) {
    if (length > MAX_MESSAGE_BYTES) {
      throw new ControlError("frame_too_large", `a message of ${length} bytes is above ${MAX_MESSAGE_BYTES}`)
    }
    return
  }
  if (mark !== BINARY) throw new ControlError("frame_invalid", `a body that begins with byte ${mark}`)
  if (length < 3) throw new ControlError("frame_invalid", "a payload without a kind")
}

/** `rest` is the body without its brace. */
function messageOf(rest: Buffer): Frame {
  return { type: "message", text: `{${rest.toString("utf8")}` }
}

function payloadOf(rest: Buffer): Frame {
  const bytes = new Uint8Array(rest.buffer, rest.byteOffset + 2, rest.length - 2)
  return { type: "payload", kind: rest.readUInt16BE(0), bytes }
}
