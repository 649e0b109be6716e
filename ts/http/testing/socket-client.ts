// A client of the WebSocket /v1/stream for tests: the ws package, with messages that a test takes one by one.

import { WebSocket } from "ws"

/** What the server sends, as far as tests look at it. */
export interface SocketMessage {
  readonly type: string
  readonly id: string | null
  readonly stream?: string
  readonly event?: number
  readonly status?: number
  readonly error?: { readonly code: string; readonly param: string | null; readonly message: string }
  readonly data?: {
    readonly id: string
    readonly choices: readonly {
      readonly delta?: { readonly content?: string }
      readonly finish_reason: string | null
    }[]
    readonly usage?: { readonly completion_tokens: number } | null
  }
}

export interface SocketClient {
  readonly ws: WebSocket
  send(message: unknown): void
  /** The next message. Rejects when the socket closes before one comes. */
  next(): Promise<SocketMessage>
  /** Messages up to and with the first of this type for this id. */
  until(type: string, id: string | null): Promise<SocketMessage[]>
  /** Close code. */
  readonly closed: Promise<number>
}

export async function openSocket(
  test: { teardown(close: () => void): void },
  url: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<SocketClient> {
  const ws = new WebSocket(`${url.replace("http", "ws")}/v1/stream`, { headers })
  test.teardown(() => ws.terminate())
  const queue: SocketMessage[] = []
  const takers: { resolve: (message: SocketMessage) => void; reject: (error: Error) => void }[] = []
  ws.on("message", (data) => {
    const message: SocketMessage = JSON.parse(data.toString())
    const taker = takers.shift()
    if (taker === undefined) queue.push(message)
    else taker.resolve(message)
  })
  const closed = new Promise<number>((resolve) => {
    ws.on("close", (code) => {
      for (const { reject } of takers.splice(0)) reject(new Error(`closed with ${code}`))
      resolve(code)
    })
  })
  await new Promise<void>((resolve, reject) => {
    ws.on("open", () => resolve())
    ws.on("error", reject)
    ws.on("unexpected-response", (_request, response) => {
      response.resume()
      reject(new Error(`status ${response.statusCode}`))
    })
  })
  const next = (): Promise<SocketMessage> => {
    const message = queue.shift()
    if (message !== undefined) return Promise.resolve(message)
    return new Promise((resolve, reject) => takers.push({ resolve, reject }))
  }
  return {
    ws,
    send: (message) => ws.send(typeof message === "string" ? message : JSON.stringify(message)),
    next,
    async until(type, id) {
      const messages: SocketMessage[] = []
      for (;;) {
        const message = await next()
        messages.push(message)
        if (message.type === type && message.id === id) return messages
      }
    },
    closed,
  }
}

/** The content that chunks of this request carry. */
export function contentOf(messages: readonly SocketMessage[], id: string): string {
  return messages
    .filter((message) => message.type === "chunk" && message.id === id)
    .map((message) => message.data?.choices[0]?.delta?.content ?? "")
    .join("")
}
