// A server of the page for browser tests: the strict policy, events pushed by the test, and one scripted answer.

import { type ServerResponse, createServer } from "node:http"
import { renderPage, renderPanels, staticFiles } from "../index.ts"
import type { Snapshot } from "../snapshot.ts"

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

export interface PageServer {
  readonly url: string
  /** Bodies of the chat requests so far. */
  readonly chats: readonly Record<string, unknown>[]
  push(snapshot: Snapshot): void
  /** Resolves when a page listens to /events. */
  listening(): Promise<void>
  dropListeners(): void
  close(): Promise<void>
}

/** Deltas of the answer, in order; after the last the stream ends, or stays open when `hangs`. */
export interface ScriptedAnswer {
  readonly deltas: readonly Readonly<Record<string, unknown>>[]
  readonly hangs: boolean
}

export async function startPageServer(
  first: Snapshot,
  answerTo: (turn: number) => ScriptedAnswer,
): Promise<PageServer> {
  const listeners = new Set<ServerResponse>()
  const waiting: (() => void)[] = []
  const chats: Record<string, unknown>[] = []
  let snapshot = first

  const write = (response: ServerResponse) => {
    response.write(`data: ${JSON.stringify(snapshot)}\n\n`)
    for (const [id, content] of Object.entries(renderPanels(snapshot))) {
      response.write(`event: ${id}\ndata: ${content}\n\n`)
    }
  }

  const chat = (response: ServerResponse, turn: number) => {
    const { deltas, hangs } = answerTo(turn)
    response.writeHead(200, { "Content-Type": "text/event-stream" })
    for (const delta of deltas) {
      response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason: null }] })}\n\n`)
    }
    if (hangs) return
    response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] })}\n\n`)
    response.end(
      `data: ${JSON.stringify({ choices: [], usage: { prompt_tokens: 9, completion_tokens: deltas.length } })}\n\ndata: [DONE]\n\n`,
    )
  }

  const server = createServer((request, response) => {
    const path = request.url ?? "/"
    const file = staticFiles.get(path.replace("/static/", ""))
    if (path === "/") {
      response.writeHead(200, { "Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": POLICY })
      response.end(renderPage(snapshot))
    } else if (path === "/events") {
      response.writeHead(200, { "Content-Type": "text/event-stream" })
      write(response)
      listeners.add(response)
      response.on("close", () => listeners.delete(response))
      for (const wake of waiting.splice(0)) wake()
    } else if (path === "/v1/chat/completions") {
      let body = ""
      request.setEncoding("utf8")
      request.on("data", (part: string) => (body += part))
      request.on("end", () => {
        // The page wrote it: an object.
        chats.push(JSON.parse(body) as Record<string, unknown>)
        chat(response, chats.length)
      })
    } else if (file !== undefined) {
      response.writeHead(200, { "Content-Type": file.contentType })
      response.end(file.body)
    } else response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("the page server has no port")

  return {
    url: `http://127.0.0.1:${address.port}/`,
    chats,
    push(next) {
      snapshot = next
      for (const listener of listeners) write(listener)
    },
    listening: async () => {
      if (listeners.size === 0) await new Promise<void>((resolve) => waiting.push(resolve))
    },
    dropListeners() {
      for (const listener of listeners) listener.destroy()
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
