import { once } from "node:events"
import { connect, type Socket } from "node:net"
import t from "tap"
import { LIMITS } from "./limits.ts"
import { openSocket } from "./testing/socket-client.ts"
import { SERVERS, startServer } from "./testing/start-server.ts"

const BOUND = 4

/** Connections that send nothing. */
async function silentSockets(port: number, count: number): Promise<Socket[]> {
  const sockets = Array.from({ length: count }, () => connect(port, "127.0.0.1").on("error", () => {}))
  await Promise.all(sockets.map((socket) => once(socket, "connect")))
  return sockets
}

/** The answer to one request over a connection of its own; "" when it is cut. */
async function ask(port: number, path: string): Promise<string> {
  const socket = connect(port, "127.0.0.1").on("error", () => {})
  let text = ""
  const over = new Promise<void>((resolve) => {
    socket.on("data", (chunk) => {
      text += String(chunk)
      resolve()
    })
    socket.once("close", () => resolve())
  })
  socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
  await over
  socket.destroy()
  return text
}

/** The end of a connection reaches the server a little later. */
async function untilServed(port: number): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!(await ask(port, "/v1/models")).startsWith("HTTP/1.1 200 ")) {
    if (performance.now() > deadline) throw new Error("not served again within 10 s")
  }
}

for (const name of SERVERS) {
  t.test(`${name}: over the bound requests get 503, watchers are answered, and room comes back`, async (t) => {
    const { port } = await startServer(t, name, { maxConnections: BOUND })
    const held = await silentSockets(port, BOUND)
    const refused = await ask(port, "/v1/models")
    t.match(refused, /^HTTP\/1\.1 503 /)
    t.match(refused, /retry-after: 1\r\n/i)
    t.match(refused, /connection: close\r\n/i)
    t.match(refused, /too_many_connections/)
    t.match(await ask(port, "/health"), /^HTTP\/1\.1 200 /)
    for (const socket of held) socket.destroy()
    await untilServed(port)
  })

  t.test(`${name}: connections that could not even be told are cut`, async (t) => {
    const { port } = await startServer(t, name, { maxConnections: BOUND })
    const held = await silentSockets(port, BOUND + LIMITS.refusedConnections)
    t.equal(await ask(port, "/health"), "")
    t.equal(held.filter((socket) => socket.closed).length, 0, "those that were there stay")
    for (const socket of held) socket.destroy()
    await untilServed(port)
  })

  t.test(`${name}: a WebSocket that has ended is counted no more`, async (t) => {
    const { port, url } = await startServer(t, name, { maxConnections: BOUND })
    for (let round = 0; round < 3 * BOUND; round++) {
      await untilServed(port)
      const socket = await openSocket(t, url)
      socket.ws.close()
      await socket.closed
    }
    await t.resolves(untilServed(port), "after more WebSockets than there may be connections")
  })
}
