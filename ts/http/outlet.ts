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
  let ending = false
  let cut = false
  let blocked = false
  let pending = ""

  const drop = () => {
    cut = true
    outlet.open = false
    pending = ""
    outlet.pendingBytes = 0
  }
  const finish = (text: string) => {
    drop()
    sink.end(text)
  }

  // Fields, not getters: objects of one shape are read fast, and each stream has one.
  const outlet = {
    open: true,
    pendingBytes: 0,
    write(text: string): void {
      if (!outlet.open || text === "") return
      if (!blocked) {
        blocked = !sink.write(text)
        return
      }
      pending += text
      outlet.pendingBytes += Buffer.byteLength(text)
      if (outlet.pendingBytes <= settings.pendingLimit) return
      drop()
      sink.abort()
      settings.onOverflow()
    },
    end(text = ""): void {
      if (!outlet.open) return
      if (!blocked) return finish(text)
      pending += text
      outlet.pendingBytes += Buffer.byteLength(text)
      outlet.open = false
      ending = true
    },
    writable(): boolean {
      if (cut) return true
      if (ending && pending === "") {
        finish("")
        return true
      }
      const text = pending === "" ? settings.filler : pending
      pending = ""
      outlet.pendingBytes = 0
      blocked = !sink.write(text)
      if (!blocked && ending) finish("")
      return !blocked
    },
    closed: drop,
  }
  return outlet
}
