import t from "tap"
import { createConnectionPort } from "./connection-port.ts"
import type { PayloadPath } from "./control/index.ts"

function createPath() {
  let deliver: (kind: number, bytes: Uint8Array) => void = () => undefined
  let drain: () => void = () => undefined
  const sent: number[] = []
  const path: PayloadPath = {
    sendPayload(kind) {
      sent.push(kind)
      return true
    },
    onPayload(listener) {
      deliver = listener
    },
    onDrain(listener) {
      drain = listener
    },
  }
  return { path, sent, deliver: (kind: number) => deliver(kind, new Uint8Array(1)), drain: () => drain() }
}

t.test("the port follows the connection that lives now", async (t) => {
  const port = createConnectionPort()
  const seen: string[] = []
  port.onState((state) => seen.push(state))
  port.onMessage((kind) => seen.push(`message ${kind}`))
  port.onDrain(() => seen.push("drain"))
  t.notOk(port.send(1, new Uint8Array(1)), "nothing is accepted before a connection comes")

  const first = createPath()
  const second = createPath()
  port.attach(first.path)
  t.ok(port.send(1, new Uint8Array(1)))
  t.strictSame(first.sent, [0x0101])
  first.deliver(0x0102)
  first.deliver(0x0300)
  first.drain()
  port.attach(second.path)
  first.deliver(0x0102)
  first.drain()
  port.detach(first.path)
  port.detach(second.path)
  t.notOk(port.send(1, new Uint8Array(1)))
  t.strictSame(seen, ["up", "message 2", "drain", "lost", "up", "lost"])
})
