// The messages of one request on a WebSocket: its events as chunks, then its end. Knows no other request.

import type { RunSink } from "./generation-run.ts"
import type { StreamFormat } from "./reply-stream.ts"
import type { StreamReader } from "./resumable-streams.ts"
import type { PortSocket } from "./server-port.ts"
import { SSE_END, sseData } from "./sse.ts"

interface RequestEnd {
  /** Its last message is sent. */
  done(): void
  /** Nothing is sent yet. */
  failed(error: unknown): void
}

/** The prefix is made once a request, not once a token. */
const chunkHead = (id: string) => `{"type":"chunk","id":${JSON.stringify(id)},`

export function socketSink(socket: PortSocket, id: string, format: StreamFormat, end: RequestEnd): RunSink {
  const head = chunkHead(id)
  const chunks = (text: string) => sseData(text).flatMap((json) => (json === SSE_END ? [] : [`${head}"data":${json}}`]))
  return {
    events: (events) => socket.send(chunks(format.events(events))),
    done(usage) {
      socket.send([...chunks(format.done(usage)), JSON.stringify({ type: "done", id })])
      end.done()
    },
    failed: (error) => end.failed(error),
  }
}

/** Reads a resumable stream: its messages carry the numbers of its events. */
export function createSocketReader(socket: PortSocket, id: string, end: RequestEnd): StreamReader {
  const head = chunkHead(id)
  const name = JSON.stringify(id)
  return {
    events(events) {
      socket.send(
        events.map(({ kind, number, data, status }) => {
          if (kind === "done") return `{"type":"done","id":${name},"event":${number}}`
          // The data of an error is an object with one key.
          if (kind === "error")
            return `{"type":"error","id":${name},"event":${number},"status":${status},${data.slice(1)}`
          return `${head}"event":${number},"data":${data}}`
        }),
      )
      if (events.at(-1)?.kind !== "chunk") end.done()
    },
    failed: (error) => end.failed(error),
    dismissed() {
      socket.send([JSON.stringify({ type: "released", id })])
      end.done()
    },
  }
}
