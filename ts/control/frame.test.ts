import t from "tap"
import { ControlError } from "./errors.ts"
import { createFrameDecoder, encodeMessageFrame, encodePayload, type Frame } from "./frame.ts"
import { MAX_FRAME_BYTES, MAX_MESSAGE_BYTES } from "./limits.ts"

/** A small generator of repeatable numbers (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let x = Math.imul(state ^ (state >>> 15), 1 | state)
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32
  }
}

const payloadFrame = (kind: number, bytes: Uint8Array) => Buffer.concat(encodePayload(kind, bytes))

function refuses(bytes: Uint8Array, code: string, max = MAX_FRAME_BYTES): boolean {
  try {
    createFrameDecoder(max).push(bytes, () => undefined)
  } catch (error) {
    return error instanceof ControlError && error.code === code
  }
  return false
}

t.test("frames survive any split of the stream", async (t) => {
  const random = randomFrom(7)
  for (let round = 0; round < 60; round++) {
    const sent: Frame[] = []
    const parts: Uint8Array[] = []
    const count = 1 + Math.floor(random() * 12)
    for (let n = 0; n < count; n++) {
      if (random() < 0.5) {
        const text = JSON.stringify({ type: "log", text: "ü日🙂".repeat(Math.floor(random() * 40)) })
        sent.push({ type: "message", text })
        parts.push(encodeMessageFrame(text))
      } else {
        const bytes = Uint8Array.from({ length: Math.floor(random() * 300) }, () => Math.floor(random() * 256))
        const kind = Math.floor(random() * 65_536)
        sent.push({ type: "payload", kind, bytes })
        parts.push(payloadFrame(kind, bytes))
      }
    }
    const stream = Buffer.concat(parts)
    const received: Frame[] = []
    const decoder = createFrameDecoder(MAX_FRAME_BYTES)
    const piece = 1 + Math.floor(random() * (round % 3 === 0 ? 3 : 400))
    for (let at = 0; at < stream.length; at += piece) {
      decoder.push(Uint8Array.prototype.slice.call(stream, at, at + piece), (frame) => received.push(frame))
    }
    const plain = (frames: Frame[]) =>
      frames.map((frame) => (frame.type === "payload" ? [frame.kind, [...frame.bytes]] : frame.text))
    if (!t.strictSame(plain(received), plain(sent), `round ${round}`)) break
  }
})

t.test("a length of 4 GB is refused from its four bytes alone", async (t) => {
  t.ok(refuses(Buffer.from([0xff, 0xff, 0xff, 0xff]), "frame_too_large"))
  t.ok(refuses(Buffer.from([0, 0, 0x10, 0x01]), "frame_too_large", 4096))
})

t.test("what is not a frame is refused", async (t) => {
  t.ok(refuses(Buffer.from("GET / HTTP/1.1\r\n\r\n"), "frame_too_large"), "HTTP reads as a length of 1.2 GB")
  t.ok(refuses(Buffer.from([0, 0, 0, 0]), "frame_invalid"), "an empty frame")
  t.ok(refuses(Buffer.from([0, 0, 0, 5, 0x80, 1, 2, 3, 4]), "frame_invalid"), "an unknown first byte")
  t.ok(refuses(Buffer.from([0, 0, 0, 2, 0x01, 0]), "frame_invalid"), "a payload without a kind")
  const long = Buffer.alloc(5)
  long.writeUInt32BE(MAX_MESSAGE_BYTES + 1)
  long.write("{", 4)
  t.ok(refuses(long, "frame_too_large"), "a message longer than a message may be")
})

t.test("random bytes never do more than throw ControlError, and a refused stream stays refused", async (t) => {
  const random = randomFrom(11)
  let refused = 0
  let stayedRefused = 0
  for (let round = 0; round < 3_000; round++) {
    const decoder = createFrameDecoder(4096)
    const bytes = Buffer.from(Array.from({ length: 64 }, () => Math.floor(random() ** 3 * 256)))
    try {
      decoder.push(bytes, () => undefined)
    } catch (error) {
      if (!(error instanceof ControlError)) throw error
      refused += 1
      try {
        decoder.push(encodeMessageFrame("{}"), () => undefined)
        t.fail("a refused stream was read on")
      } catch {
        stayedRefused += 1
      }
    }
  }
  t.ok(refused > 1_000, `${refused} refused`)
  t.equal(stayedRefused, refused)
})

t.test("a frame that raises the bound is followed by a larger one in the same chunk", async (t) => {
  const decoder = createFrameDecoder(16)
  const received: Frame[] = []
  decoder.push(Buffer.concat([encodeMessageFrame("{}"), payloadFrame(9, new Uint8Array(100))]), (frame) => {
    received.push(frame)
    decoder.maxFrameBytes = 1_000
  })
  t.equal(received.length, 2)
})

t.test("a payload is a plain Uint8Array: the slice of a Buffer would share its memory", async (t) => {
  const stream = payloadFrame(9, Uint8Array.of(1, 2, 3))
  for (const split of [stream.length, 6]) {
    const received: Frame[] = []
    const decoder = createFrameDecoder(1_000)
    decoder.push(stream.subarray(0, split), (frame) => received.push(frame))
    decoder.push(stream.subarray(split), (frame) => received.push(frame))
    const bytes = received[0]?.type === "payload" ? received[0].bytes : Buffer.alloc(0)
    t.notOk(Buffer.isBuffer(bytes))
    t.equal(bytes.slice().buffer.byteLength, 3)
  }
})
