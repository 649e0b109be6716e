// The token half in a thread of the front, for one host and for tests: the rings go straight to the engine, and what ends
// the thread ends the server.

import { hostname } from "node:os"
import { createRankHost, type TokenHalfOptions } from "./engine/index.ts"
import type { Isolation, IsolationEvents } from "./isolation.ts"
import { createRankMemory } from "./rank-memory.ts"

export async function startThreadIsolation(
  engine: Partial<TokenHalfOptions>,
  events: Pick<IsolationEvents, "ended">,
): Promise<Isolation> {
  const host = createRankHost(engine)
  const memory = await createRankMemory(host.link)
  let detail = ""
  void host.ended.then((error) => {
    detail = error?.message ?? "stopped"
    if (error !== null) events.ended(error.message)
  })
  return {
    link: host.link,
    cluster() {
      const isUp = host.link.state === "up"
      const state = isUp ? "active" : host.link.state === "connecting" ? "starting" : "disconnected"
      return {
        epoch: 1,
        size: 1,
        nodes: [
          {
            rank: 0,
            hostname: hostname(),
            state,
            detail,
            pid: process.pid,
            lastHeardMs: isUp ? 0 : null,
            memory: memory(),
          },
        ],
        links: [],
      }
    },
    markServing() {},
    restart() {},
    close: () => host.close(),
  }
}
