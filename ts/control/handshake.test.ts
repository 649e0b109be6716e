import { randomBytes } from "node:crypto"
import t from "tap"
import { createManualClock, type ManualClock } from "./clock.ts"
import type { ControlError } from "./errors.ts"
import type { Frame } from "./frame.ts"
import { acceptHandshake, offerHandshake, type AcceptedRank } from "./handshake.ts"
import { HANDSHAKE_TIMEOUT_MS, MAX_FRAME_BYTES_BEFORE_AUTH } from "./limits.ts"
import { createMemoryTransport } from "./memory-transport.ts"
import { encodeMessage, parseMessage } from "./message.ts"
import type { Connection } from "./transport.ts"

const identity = { rank: 1, epoch: 3, hostname: "mac2", pid: 42, version: "0.1.0" }
const secret = randomBytes(32)

type Outcome = { rank: AcceptedRank } | { error: ControlError }

/** A coordinator that waits for one handshake, and a connection to it. */
async function dialCoordinator(clock: ManualClock, admit: (rank: AcceptedRank) => void = () => undefined) {
  const transport = createMemoryTransport()
  let settle: (outcome: Outcome) => void = () => undefined
  const outcome = new Promise<Outcome>((resolve) => {
    settle = resolve
  })
  const listener = await transport.listen({ host: "memory", port: 0 }, (connection) => {
    acceptHandshake(connection, {
      secret,
      clock,
      admit,
      accepted: (rank) => settle({ rank }),
      failed: (error) => settle({ error }),
    })
  })
  return { connection: await transport.dial(listener.address, 1_000), outcome }
}

function offer(connection: Connection, clock: ManualClock, withSecret: Uint8Array): Promise<"accepted" | ControlError> {
  return new Promise((resolve) => {
    offerHandshake(connection, {
      secret: withSecret,
      clock,
      identity,
      accepted: () => resolve("accepted"),
      failed: resolve,
    })
  })
}

function codeOf(outcome: Outcome): string {
  return "error" in outcome ? outcome.error.code : "accepted"
}

/** Frames of the other side, one by one. */
function reader(connection: Connection): () => Promise<Frame | "closed"> {
  const frames: (Frame | "closed")[] = []
  let waiting: ((frame: Frame | "closed") => void) | null = null
  const put = (frame: Frame | "closed") => {
    if (waiting === null) frames.push(frame)
    else {
      const resolve = waiting
      waiting = null
      resolve(frame)
    }
  }
  connection.attach({ frame: put, drain: () => undefined, closed: () => put("closed") })
  return () => {
    const frame = frames.shift()
    return frame === undefined
      ? new Promise((resolve) => {
          waiting = resolve
        })
      : Promise.resolve(frame)
  }
}

t.test("both sides prove the secret and the coordinator learns who the rank is", async (t) => {
  const clock = createManualClock()
  const { connection, outcome } = await dialCoordinator(clock)
  t.equal(await offer(connection, clock, secret), "accepted")
  t.strictSame(await outcome, { rank: { ...identity, protocol: 2 } })
})

t.test("a wrong secret is refused on both sides with the reason", async (t) => {
  const clock = createManualClock()
  const { connection, outcome } = await dialCoordinator(clock)
  const offered = await offer(connection, clock, randomBytes(32))
  t.equal(codeOf(await outcome), "authentication_failed")
  t.match(offered, { code: "authentication_failed" })
})

t.test("a coordinator that does not know the secret is refused by the rank", async (t) => {
  const clock = createManualClock()
  const transport = createMemoryTransport()
  const listener = await transport.listen({ host: "memory", port: 0 }, (connection) => {
    connection.attach({
      frame: () => connection.writeMessage(encodeMessage({ type: "welcome", proof: "00".repeat(32) })),
      drain: () => undefined,
      closed: () => undefined,
    })
    const nonce = "11".repeat(32)
    connection.writeMessage(encodeMessage({ type: "challenge", protocol_min: 2, protocol_max: 2, nonce }))
  })
  const offered = await offer(await transport.dial(listener.address, 1_000), clock, secret)
  t.match(offered, { code: "authentication_failed" })
})

t.test("a recorded handshake is refused when it is played again", async (t) => {
  const clock = createManualClock()
  const first = await dialCoordinator(clock)
  const recorded: string[] = []
  const recording: Connection = {
    ...first.connection,
    open: true,
    bufferedBytes: 0,
    writeMessage(text) {
      recorded.push(text)
      first.connection.writeMessage(text)
    },
  }
  t.equal(await offer(recording, clock, secret), "accepted")
  t.equal(codeOf(await first.outcome), "accepted")
  t.equal(recorded.length, 1)

  const second = await dialCoordinator(clock)
  const read = reader(second.connection)
  await read()
  for (const text of recorded) second.connection.writeMessage(text)
  t.equal(codeOf(await second.outcome), "authentication_failed")
})

t.test("a rank cannot change what it has proved", async (t) => {
  const clock = createManualClock()
  const { connection, outcome } = await dialCoordinator(clock)
  const tampering: Connection = {
    ...connection,
    open: true,
    bufferedBytes: 0,
    writeMessage(text) {
      const message = parseMessage(text, "rank")
      connection.writeMessage(JSON.stringify({ ...message, rank: 0 }))
    },
  }
  void offer(tampering, clock, secret)
  t.equal(codeOf(await outcome), "authentication_failed")
})

t.test("who says nothing is closed after the deadline", async (t) => {
  const clock = createManualClock()
  const { connection, outcome } = await dialCoordinator(clock)
  const read = reader(connection)
  t.match(await read(), { type: "message" })
  clock.advance(HANDSHAKE_TIMEOUT_MS)
  t.equal(codeOf(await outcome), "handshake_timeout")
  t.equal(await read(), "closed")
})

t.test("a frame above 4 KiB and a payload are refused before authentication", async (t) => {
  const clock = createManualClock()
  const large = await dialCoordinator(clock)
  large.connection.writePayload(1, new Uint8Array(MAX_FRAME_BYTES_BEFORE_AUTH))
  t.equal(codeOf(await large.outcome), "frame_too_large")
  const small = await dialCoordinator(clock)
  small.connection.writePayload(1, new Uint8Array(10))
  t.equal(codeOf(await small.outcome), "message_invalid")
})

t.test("another protocol version is refused with both ranges", async (t) => {
  const clock = createManualClock()
  const transport = createMemoryTransport()
  const listener = await transport.listen({ host: "memory", port: 0 }, (connection) => {
    const nonce = "11".repeat(32)
    connection.writeMessage(encodeMessage({ type: "challenge", protocol_min: 9, protocol_max: 12, nonce }))
    connection.attach({ frame: () => undefined, drain: () => undefined, closed: () => undefined })
  })
  const offered = await offer(await transport.dial(listener.address, 1_000), clock, secret)
  t.match(offered, { code: "protocol_mismatch", message: /9 to 12/ })
})
