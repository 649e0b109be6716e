// ServerPort: the small door between the routes and whatever speaks HTTP/1.1. Two implementations: uws-server.ts and
// node-server.ts. Knows no route and no JSON.

import type { ConnectionCount } from "./connection-count.ts"

export type Headers = Readonly<Record<string, string>>

export interface PortRequest {
  /** Upper case. */
  readonly method: string
  /** As sent: still percent-encoded, without the query. */
  readonly path: string
  /** Without the question mark. */
  readonly query: string
  /** Names in lower case; repeated headers joined by ", ". */
  readonly headers: ReadonlyMap<string, string>
  readonly clientAddress: string
  /** The whole body. Rejects with HttpError body_too_large, request_timeout or bad_request (the client went away). */
  body(): Promise<Buffer>
}

/** "closed": the client went away. "slow": it read too slowly and its socket was cut. */
export type AbortReason = "closed" | "slow"

export interface PortResponse {
  /** Nothing more can be sent: ended, or the client is gone. */
  readonly ended: boolean
  /** Called once, when the client is gone before the end. One listener; a later one replaces it. */
  onAbort(listener: (reason: AbortReason) => void): void
  /** A whole answer. A HEAD request gets its headers only. `close` ends the connection after it. */
  send(status: number, headers: Headers, body: string | Buffer, close?: boolean): void
  /** Begins a chunked answer. `filler` is written when the socket needs a write and no text waits: a legal no-op. */
  stream(status: number, headers: Headers, filler: string): StreamWriter
}

/** Text out, in order, never more than the cap held back (outlet.ts). Writing after the end does nothing. */
export interface StreamWriter {
  readonly open: boolean
  /** Held in this process because the reader is slow. */
  readonly pendingBytes: number
  write(text: string): void
  end(text?: string): void
}

/** One WebSocket. Text messages only: the server closes at a binary one. */
export interface PortSocket {
  readonly open: boolean
  /** In order. Above `pendingLimit` of bytes that wait already the socket is cut, and its listener hears "slow". */
  send(messages: readonly string[]): void
  /** What waits goes out first. The listener hears "closed". Idempotent. */
  close(code: number, reason: string): void
}

export interface SocketListener {
  message(text: Buffer): void
  /** Once; nothing can be sent any more. */
  closed(reason: AbortReason): void
}

/** Turns the request into a WebSocket. Only while the handler runs, and instead of any answer. */
export type AcceptSocket = (headers: Headers, open: (socket: PortSocket) => SocketListener) => void

/** `accept` is given for a WebSocket handshake at one of `socketPaths`. */
export type PortHandler = (request: PortRequest, response: PortResponse, accept?: AcceptSocket) => void

export interface PortSettings {
  /** Of a body, and of a WebSocket message. */
  readonly bodyLimit: number
  readonly pendingLimit: number
  readonly connections: ConnectionCount
  /** Elsewhere a handshake is an ordinary request. */
  readonly socketPaths: readonly string[]
}

export interface ServerPort {
  readonly kind: "uws" | "node"
  /** Rejects when the address is taken. Port 0 asks for a free one. */
  listen(host: string, port: number): Promise<{ host: string; port: number }>
  /** New connections are refused from now on; open ones go on. */
  stopListening(): void
  /** Cuts what is open. Idempotent. */
  close(): Promise<void>
}
