// TCP proxies between rank processes, and between them and the front, that can be told to fail: dead or cut.
// A fault lasts until the ranks meet again. Knows nothing of what passes.

import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net"
import type { Route } from "../rank-meeting.ts"

export interface FaultyLink {
  /** Nothing passes any more, and nobody is told. */
  die(): void
  /** Both connections are closed. */
  cut(): void
}

export interface FaultyLinks {
  readonly route: Route
  /** Of two ranks, or of a rank and the front. Throws where there is none. */
  between(rank: number, other: number | "front"): FaultyLink
  close(): void
}

export function createFaultyLinks(): FaultyLinks {
  const links = new Map<string, ReturnType<typeof createLink>>()
  const name = (rank: number, other: number | "front") =>
    typeof other === "number" ? `${Math.min(rank, other)}-${Math.max(rank, other)}` : `${rank}-${other}`

  return {
    async route(from, to, address) {
      // Only the higher rank of a pair connects; a process asks for every address.
      if (typeof to === "number" && to >= from) return address
      links.get(name(from, to))?.close()
      const link = createLink(address)
      links.set(name(from, to), link)
      return { host: "127.0.0.1", port: await link.port }
    },
    between(rank, other) {
      const found = links.get(name(rank, other))
      if (found === undefined) throw new Error(`there is no link ${name(rank, other)}`)
      return found
    },
    close() {
      for (const link of links.values()) link.close()
    },
  }
}

function createLink(address: Parameters<Route>[2]): FaultyLink & { port: Promise<number>; close(): void } {
  const sockets = new Set<Socket>()
  let isDead = false

  function pump(from: Socket, to: Socket): void {
    from.on("data", (bytes: Buffer) => void to.write(bytes))
    from.on("error", () => undefined)
    from.on("close", () => {
      sockets.delete(from)
      to.destroy()
    })
    sockets.add(from)
    if (isDead) from.pause()
  }

  const server: Server = createServer((client) => {
    const target = connect(address.port, address.host)
    client.setNoDelay(true)
    target.setNoDelay(true)
    pump(client, target)
    pump(target, client)
  })
  const port = new Promise<number>((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      // A server on an address and a port has this form of address.
      resolve((server.address() as AddressInfo).port)
    })
  })
  return {
    port,
    die() {
      isDead = true
      for (const socket of sockets) socket.pause()
    },
    cut() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
    close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}
