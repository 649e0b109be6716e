// The part of the ws package that is used here and in tests; the package brings no types.

declare module "ws" {
  import type { EventEmitter } from "node:events"
  import type { IncomingMessage } from "node:http"
  import type { Duplex } from "node:stream"

  export class WebSocket extends EventEmitter<{
    open: []
    message: [data: Buffer, isBinary: boolean]
    ping: [data: Buffer]
    pong: [data: Buffer]
    error: [error: Error]
    close: [code: number, reason: Buffer]
    "unexpected-response": [request: unknown, response: IncomingMessage]
  }> {
    constructor(url: string, options?: { headers?: Readonly<Record<string, string>> })
    readonly bufferedAmount: number
    readonly readyState: number
    send(data: string | Uint8Array): void
    ping(): void
    pause(): void
    resume(): void
    close(code?: number, reason?: string): void
    terminate(): void
  }

  export class WebSocketServer extends EventEmitter<{ headers: [lines: string[], request: IncomingMessage] }> {
    constructor(options: { noServer: true; clientTracking: boolean; perMessageDeflate: false; maxPayload: number })
    handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer, done: (socket: WebSocket) => void): void
  }
}
