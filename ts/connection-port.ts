// The engine's BytePort over whichever control connection lives now: lost when it goes, up when the next one comes.
// Here the engine's link and the control plane meet; neither knows the other.

import type { PayloadPath } from "./control/index.ts"
import type { BytePort, LinkState } from "./engine/index.ts"

/** Engine payloads carry this plus their PortKind (docs/control-protocol.md). */
const ENGINE_KINDS = 0x0100
const ENGINE_KINDS_END = 0x0200

export interface ConnectionPort extends BytePort {
  /** A connection has come; the one before, if any, is forgotten. */
  attach(path: PayloadPath): void
  /** This connection has gone. Nothing happens if a newer one is attached already. */
  detach(path: PayloadPath): void
}

export function createConnectionPort(): ConnectionPort {
  let current: PayloadPath | null = null
  const messageListeners: ((kind: number, body: Uint8Array) => void)[] = []
  const stateListeners: ((state: LinkState) => void)[] = []
  const drainListeners: (() => void)[] = []
  const tell = (state: LinkState) => {
    for (const listener of stateListeners) listener(state)
  }

  return {
    send: (kind, body) => current?.sendPayload(ENGINE_KINDS + kind, body) ?? false,
    onMessage: (listener) => messageListeners.push(listener),
    onState: (listener) => stateListeners.push(listener),
    onDrain: (listener) => drainListeners.push(listener),
    attach(path) {
      if (current !== null) {
        current = null
        tell("lost")
      }
      current = path
      path.onDrain(() => {
        if (current === path) for (const listener of drainListeners) listener()
      })
      tell("up")
      // Last: it may deliver at once what came before, and the listeners have to know of the new connection first.
      path.onPayload((kind, body) => {
        if (current !== path || kind < ENGINE_KINDS || kind >= ENGINE_KINDS_END) return
        for (const listener of messageListeners) listener(kind - ENGINE_KINDS, body)
      })
    },
    detach(path) {
      if (current !== path) return
      current = null
      tell("lost")
    },
  }
}
