// Outlet: the backpressure state machine of one streamed answer, the same for both servers.
//
//   open, free     --write refused-->  open, blocked: text gathers in `pending`
//   open, blocked  --writable-->       pending is written; free again once a write is taken whole
//   open           --pending > cap-->  overflow: the socket is cut, the owner hears "slow"
//   open           --end, blocked-->   ending: closed by the next writable that leaves nothing pending
//
// Invariant: while blocked, every writable() writes at least one byte. uWS stops polling a socket whose handler wrote
// nothing, and the rest would never leave (the filler is a legal no-op of the format).

import type { StreamWriter } from "./server-port.ts"

export interface RawSink {
  /** False: taken, but the socket is full; writable() will be called. */
  write(text: string): boolean
  end(text: string): void
  /** Cuts the connection. */
  abort(): void
}

export interface Outlet extends StreamWriter {
  /** The socket has room. True: nothing is held back any more. */
  writable(): boolean
  /** The connection is gone. */
  closed(): void
}

export function createOutlet(
  sink: RawSink,
  settings: { readonly filler: string; readonly pendingLimit: number; readonly onOverflow: () => void },
): Outlet {
  let open = true
  let ending = false
  let blocked = false
  let pending = ""
  let pendingBytes = 0

  const finish = (text: string) => {
    open = false
    pending = ""
    pendingBytes = 0
    sink.end(text)
  }

  return {
    get open() {
      return open && !ending
    },
    get pendingBytes() {
      return pendingBytes
    },
    write(text) {
      if (!open || ending || text === "") return
      if (!blocked) {
        blocked = !sink.write(text)
        return
      }
      pending += text
      pendingBytes += Buffer.byteLength(text)
      if (pendingBytes <= settings.pendingLimit) return
      open = false
      pending = ""
      pendingBytes = 0
      sink.abort()
      settings.onOverflow()
    },
    end(text = "") {
      if (!open || ending) return
      if (!blocked) return finish(text)
      pending += text
      pendingBytes += Buffer.byteLength(text)
      ending = true
    },
    writable() {
      if (!open) return true
      if (ending && pending === "") {
        finish("")
        return true
      }
      const text = pending === "" ? settings.filler : pending
      pending = ""
      pendingBytes = 0
      blocked = !sink.write(text)
      if (!blocked && ending) finish("")
      return !blocked
    },
    closed() {
      open = false
      pending = ""
      pendingBytes = 0
    },
  }
}
