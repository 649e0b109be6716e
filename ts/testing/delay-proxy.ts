// A process that makes links slow to answer: what it is told to lead to gets every byte so much later, both ways, as over a
// longer cable. Started inside a network namespace (delayed-route.ts); asked over the channel of its parent.

import { connect, createServer, type AddressInfo, type Socket } from "node:net"
import type { Address } from "../control/index.ts"

const [, , host = "127.0.0.1", delay = "1"] = process.argv
const delayMs = Number(delay)

/** Timers of one length run in the order they were set. */
function pump(from: Socket, to: Socket): void {
  from.setNoDelay(true)
  from.on("data", (bytes: Buffer) => setTimeout(() => void to.write(bytes), delayMs))
  from.on("error", () => undefined)
  from.on("close", () => setTimeout(() => to.destroy(), delayMs))
}

process.on("message", ({ id, address }: { id: number; address: Address }) => {
  const server = createServer((client) => {
    const target = connect(address.port, address.host)
    pump(client, target)
    pump(target, client)
  })
  server.listen(0, host, () => {
    // A server on an address and a port has this form of address.
    process.send?.({ id, port: (server.address() as AddressInfo).port })
  })
})
process.on("disconnect", () => process.exit(0))
