// EngineLink over the rings: the text half and the engine worker in one process. Knows no worker: who starts it tells
// the link what happens to it.

import type { MessagePort } from "node:worker_threads"
import type { EngineLink, LinkNotice, LinkState } from "./link.ts"
import { createCommandRingWriter, createTokenRingReader, encodeCommand } from "./rings/index.ts"
import type { WorkerMessage } from "./worker.ts"

export interface RingLinkEnds {
  readonly commandMemory: SharedArrayBuffer
  readonly tokenMemory: SharedArrayBuffer
  readonly port: MessagePort
}

export interface RingLink extends EngineLink {
  /** The worker has ended, or will not start: records that are in the ring are still given. */
  lose(): void
}

export function createRingLink({ commandMemory, tokenMemory, port }: RingLinkEnds): RingLink {
  const commands = createCommandRingWriter(commandMemory)
  const records = createTokenRingReader(tokenMemory)
  const recordListeners: ((words: Int32Array) => void)[] = []
  const noticeListeners: ((notice: LinkNotice) => void)[] = []
  const stateListeners: ((state: LinkState) => void)[] = []
  let state: LinkState = "connecting"

  function become(next: LinkState): void {
    if (state === next || state === "lost") return
    state = next
    for (const listener of stateListeners) listener(next)
  }

  const give = (words: Int32Array): void => {
    for (const listener of recordListeners) listener(words)
  }
  const reading = records.run(give)

  port.on("message", (message: WorkerMessage) => {
    if (message.type === "up") become("up")
    else for (const listener of noticeListeners) listener(message)
  })

  function lose(): void {
    records.drain(give)
    records.stop()
    commands.close()
    port.close()
    become("lost")
  }

  return {
    get state() {
      return state
    },
    send: (command) => state !== "lost" && commands.send(encodeCommand(command)),
    onRecords: (listener) => void recordListeners.push(listener),
    onNotice: (listener) => void noticeListeners.push(listener),
    onState: (listener) => void stateListeners.push(listener),
    onDrain: (listener) => commands.onDrain(listener),
    lose,
    async close() {
      lose()
      await reading
    },
  }
}
