// A server on a free loopback port over a scripted engine, for tests. Closes with the test.

import type { ClusterStatus } from "../../control/index.ts"
import type { ServerOptions } from "../options.ts"
import { createServer, type Server } from "../server.ts"
import { createScriptedEngine, type ScriptedEngine } from "./scripted-engine.ts"

export const SERVERS = ["uws", "node"] as const
export type ServerName = (typeof SERVERS)[number]

const GIB = 2 ** 30

export const SCRIPTED_CLUSTER: ClusterStatus = {
  epoch: 1,
  size: 2,
  nodes: [0, 1].map((rank) => ({
    rank,
    hostname: `host-${rank}`,
    state: "active",
    detail: "",
    pid: 100 + rank,
    lastHeardMs: 1500,
    memory: {
      totalBytes: 48 * GIB,
      availableBytes: 30 * GIB,
      rssBytes: GIB,
      activeBytes: 14 * GIB,
      cacheBytes: GIB,
      peakBytes: 16 * GIB,
      modelBytes: 12 * GIB,
      kvBytes: GIB,
    },
  })),
  links: [
    {
      from: 0,
      to: 1,
      transport: "jaccl",
      device: "rdma_en4",
      active: true,
      latencyUs: 26.1,
      bandwidthBytesPerSecond: 7.92e9,
      lastProbeMs: 3000,
    },
  ],
}

export interface TestServer {
  readonly url: string
  readonly port: number
  readonly engine: ScriptedEngine
  readonly server: Server
  readonly lines: string[]
  readonly post: (path: string, body: unknown, init?: RequestInit) => Promise<Response>
}

export async function startServer(
  test: { teardown(close: () => Promise<void>): void },
  name: ServerName,
  options: ServerOptions = {},
  engine = createScriptedEngine(),
): Promise<TestServer> {
  const lines: string[] = []
  const server = createServer({
    engine,
    cluster: () => SCRIPTED_CLUSTER,
    options: { host: "127.0.0.1", port: 0, server: name, ...options },
    log: (line) => void lines.push(line),
  })
  const { port } = await server.listen()
  test.teardown(() => server.close())
  const url = `http://127.0.0.1:${port}`
  const post = (path: string, body: unknown, init: RequestInit = {}) =>
    fetch(url + path, {
      method: "POST",
      body: typeof body === "string" ? body : JSON.stringify(body),
      ...init,
      headers: { "content-type": "application/json", ...(init.headers as Record<string, string> | undefined) },
    })
  return { url, port, engine, server, lines, post }
}

export const CHAT = { model: "org/scripted-1b", messages: [{ role: "user", content: "What is the capital?" }] }

/** The data of each event of a whole SSE answer. */
export function sseData(text: string): string[] {
  return text
    .split("\n\n")
    .filter((event) => event.startsWith("data: "))
    .map((event) => event.slice("data: ".length))
}
