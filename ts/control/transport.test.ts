// The same promises for both transports.

import { connect } from "node:net"
import t from "tap"
import type { ControlError } from "./errors.ts"
import type { Frame } from "./frame.ts"
import { MAX_FRAME_BYTES, SEND_BUFFER_BYTES, SEND_OVERFLOW_BYTES } from "./limits.ts"
import { createMemoryTransport } from "./memory-transport.ts"
import { openSession, type Session } from "./session.ts"
import { tcpTransport } from "./tcp-transport.ts"
import type { Connection, Listener, Transport } from "./transport.ts"

async function pair(transport: Transport): Promise<{ near: Connection; far: Connection; listener: Listener }> {
  let listener: Listener | undefined
  const far = new Promise<Connection>((resolve, reject) => {
    transport.listen({ host: "127.0.0.1", port: 0 }, resolve).then(async (made) => {
      listener = made
      dialled(await transport.dial(made.address, 1_000))
    }, reject)
  })
  let dialled: (connection: Connection) => void = () => undefined
  const near = new Promise<Connection>((resolve) => {
    dialled = resolve
  })
  const ends = { near: await near, far: await far }
  for (const end of [ends.near, ends.far]) end.setMaxFrameBytes(MAX_FRAME_BYTES)
  if (listener === undefined) throw new Error("no listener")
  return { ...ends, listener }
}

function sessionOf(connection: Connection): { session: Session; closed: Promise<ControlError | null> } {
  let settle: (reason: ControlError | null) => void = () => undefined
  const closed = new Promise<ControlError | null>((resolve) => {
    settle = resolve
  })
  return { session: openSession(connection, "rank", { message: () => undefined, closed: settle }), closed }
}

for (const [name, transport] of [
  ["tcp", tcpTransport],
  ["memory", createMemoryTransport({ chunkBytes: 1_000 })],
] as const) {
  t.test(`${name}: payloads arrive whole and in order under backpressure, and none is lost`, async (t) => {
    const { near, far, listener } = await pair(transport)
    const sender = sessionOf(near).session
    const receiver = sessionOf(far).session
    const total = 400
    let sent = 0
    let refused = 0
    let received = 0
    await new Promise<void>((resolve, reject) => {
      receiver.onPayload((kind, bytes) => {
        if (kind !== received || bytes.length !== 64 * 1024 || bytes[7] !== received % 251) reject(new Error("order"))
        received += 1
        if (received === total) resolve()
      })
      const send = () => {
        while (sent < total) {
          if (!sender.sendPayload(sent, new Uint8Array(64 * 1024).fill(sent % 251))) {
            refused += 1
            return
          }
          sent += 1
        }
      }
      sender.onDrain(send)
      send()
    })
    t.equal(received, total)
    t.ok(refused > 0, `refused ${refused} times`)
    near.close()
    await listener.close()
  })

  t.test(`${name}: a side that stops reading is refused payloads, then closed by messages`, async (t) => {
    const { near, far, listener } = await pair(transport)
    // Nobody attaches to `far`: it does not read.
    const { session, closed } = sessionOf(near)
    // What the system buffers on both sides is not counted here; loopback takes some megabytes.
    const bound = SEND_BUFFER_BYTES + 64 * 1024 * 1024
    let queued = 0
    while (queued < bound && session.sendPayload(1, new Uint8Array(256 * 1024))) queued += 256 * 1024
    t.ok(queued < bound, `${queued} bytes`)
    t.notOk(session.sendPayload(1, new Uint8Array(1)))
    let messages = 0
    while (session.open && messages < 1_000) {
      session.send({ type: "log", level: "info", text: "x".repeat(60_000) })
      messages += 1
    }
    t.ok(messages > SEND_OVERFLOW_BYTES / 70_000 && messages < 1_000, `${messages} messages`)
    t.match(await closed, { code: "buffer_overflow" })
    far.attach({ frame: () => undefined, drain: () => undefined, closed: () => undefined })
    far.close()
    await listener.close()
  })

  t.test(`${name}: what was written before close arrives, then the other side hears the end`, async (t) => {
    const { near, far, listener } = await pair(transport)
    const frames: Frame[] = []
    near.writeMessage('{"n":1}')
    near.close()
    near.close()
    const reason = await new Promise<ControlError | null>((resolve) => {
      far.attach({ frame: (frame) => frames.push(frame), drain: () => undefined, closed: resolve })
    })
    t.match(reason, { code: "connection_lost" })
    t.strictSame(frames, [{ type: "message", text: '{"n":1}' }])
    t.notOk(far.open)
    await listener.close()
  })

  t.test(`${name}: a port where nobody listens is a clear error`, async (t) => {
    const listener = await transport.listen({ host: "127.0.0.1", port: 0 }, () => undefined)
    await listener.close()
    await t.rejects(transport.dial(listener.address, 1_000), { code: "connect_failed" })
  })

  t.test(`${name}: an address that is taken is a clear error`, async (t) => {
    const listener = await transport.listen({ host: "127.0.0.1", port: 0 }, () => undefined)
    await t.rejects(
      transport.listen(listener.address, () => undefined),
      { code: "listen_failed" },
    )
    await listener.close()
  })
}

t.test("tcp: a stranger who speaks HTTP is closed", async (t) => {
  let listener: Listener | undefined
  const reason = new Promise<ControlError | null>((resolve, reject) => {
    tcpTransport
      .listen({ host: "127.0.0.1", port: 0 }, (connection) => {
        connection.attach({ frame: () => reject(new Error("a frame")), drain: () => undefined, closed: resolve })
      })
      .then((made) => {
        listener = made
        const socket = connect(made.address.port, "127.0.0.1")
        socket.resume()
        socket.write("GET / HTTP/1.1\r\n\r\n")
      }, reject)
  })
  t.match(await reason, { code: "frame_too_large" })
  await listener?.close()
})
