// Which ServerPort serves: uWebSockets.js where its binary loads, else node:http, with one line that says why.

import { createNodeServer } from "./node-server.ts"
import type { PortHandler, PortSettings, ServerPort } from "./server-port.ts"
import { createUwsServer, loadUws } from "./uws-server.ts"

export type ServerChoice = "uws" | "node" | "auto"

export async function chooseServer(
  choice: ServerChoice,
  handler: PortHandler,
  settings: PortSettings,
  log: (line: string) => void,
  load = loadUws,
): Promise<ServerPort> {
  if (choice === "node") return createNodeServer(handler, settings)
  try {
    return createUwsServer(await load(), handler, settings)
  } catch (error) {
    const reason = `the uWebSockets.js binary does not load (${describe(error)}; ${platformFacts()})`
    if (choice === "uws") throw new Error(`${reason}: choose the node server or another Node version`, { cause: error })
    log(`http: ${reason}; serving with node:http`)
    return createNodeServer(handler, settings)
  }
}

function describe(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.split("\n", 1)[0] ?? ""
}

/** The binary for Node 22 and later asks for glibc 2.38; the one for Node 20 for 2.27. */
function platformFacts(): string {
  const report: unknown = process.report?.getReport()
  const header = typeof report === "object" && report !== null && "header" in report ? report.header : undefined
  const glibc =
    typeof header === "object" && header !== null && "glibcVersionRuntime" in header
      ? `glibc ${String(header.glibcVersionRuntime)}, Node 22 and later need 2.38`
      : "no glibc"
  return `Node ${process.versions.node} ABI ${process.versions.modules}, ${process.platform} ${process.arch}, ${glibc}`
}
