// EngineLink over a BytePort: the text half in the front, the token half in another process. Both ends are here. Records
// travel as their raw words (little-endian on every platform this runs on), one message a drain of the token ring.

import type { BytePort, EngineLink, LinkNotice, LinkState } from "./link.ts"
import { PortKind } from "./link.ts"
import { decodeCommand, encodeCommand } from "./rings/command-codec.ts"
import { RECORD_WORDS, RecordKind } from "./rings/record.ts"

const RECORD_BYTES = RECORD_WORDS * 4
/** What may wait in the rank process for a front that does not read. Beyond it, all that runs is cancelled. */
const OUTBOX_BYTES = 64 << 20

/** The front's end. Make it before the port can come up: the port does not repeat its state. */
export function createFrameLink(port: BytePort): EngineLink {
  const recordWords = createRecordReader()
  let state: LinkState = "connecting"
  let closed = false
  const records: ((words: Int32Array) => void)[] = []
  const notices: ((notice: LinkNotice) => void)[] = []
  const states: ((state: LinkState) => void)[] = []
  const drains: (() => void)[] = []

  port.onState((next) => {
    if (closed || next === state) return
    state = next
    for (const listener of states) listener(next)
  })
  port.onDrain(() => {
    if (!closed) for (const listener of drains) listener()
  })
  port.onMessage((kind, body) => {
    if (closed) return
    if (kind === PortKind.records) {
      const words = recordWords(body)
      for (const listener of records) listener(words)
    } else if (kind === PortKind.notice) {
      const notice: LinkNotice = JSON.parse(Buffer.from(body).toString())
      for (const listener of notices) listener(notice)
    }
  })

  return {
    get state() {
      return state
    },
    send: (command) => !closed && state === "up" && port.send(PortKind.command, encodeCommand(command)),
    onRecords: (listener) => void records.push(listener),
    onNotice: (listener) => void notices.push(listener),
    onState: (listener) => void states.push(listener),
    onDrain: (listener) => void drains.push(listener),
    async close() {
      closed = true
    },
  }
}

/** Records of frames at odd addresses, as most are, are copied here; larger batches get memory of their own. */
const SCRATCH_WORDS = 64 * RECORD_WORDS

/** Whole records only; the array is valid until the next call. */
function createRecordReader(): (body: Uint8Array) => Int32Array {
  const scratch = new Int32Array(SCRATCH_WORDS)
  const scratchBytes = new Uint8Array(scratch.buffer)
  /** Of the last length: that of a batch changes seldom. */
  let view = scratch
  return (body) => {
    const words = (body.length - (body.length % RECORD_BYTES)) / 4
    if (body.byteOffset % 4 === 0) return new Int32Array(body.buffer, body.byteOffset, words)
    if (words > SCRATCH_WORDS) return new Int32Array(body.slice().buffer, 0, words)
    scratchBytes.set(body.length === words * 4 ? body : body.subarray(0, words * 4))
    if (view.length !== words) view = scratch.subarray(0, words)
    return view
  }
}

export interface LinkService {
  close(): void
}

/**
 * The rank's end: commands from the port go to the link, records and notices back. Nothing is lost while one of them has
 * no room. When the front goes, what it had running is cancelled: it will submit again what it still wants.
 */
export function serveLink(port: BytePort, link: EngineLink): LinkService {
  let closed = false
  /** Slot -> generation of what runs. */
  const live = new Map<number, number>()
  const inbox: Uint8Array[] = []
  let outbox: { readonly kind: number; readonly body: Uint8Array }[] = []
  let outboxBytes = 0

  function forward(body: Uint8Array): boolean {
    const command = decodeCommand(body)
    if (!link.send(command)) return false
    if (command.kind === "submit") live.set(command.slot, command.generation)
    return true
  }

  function flushInbox(): void {
    while (inbox[0] !== undefined && forward(inbox[0])) inbox.shift()
  }

  function post(kind: number, body: Uint8Array): void {
    if (outbox.length === 0 && port.send(kind, body)) return
    outbox.push({ kind, body })
    outboxBytes += body.length
    if (outboxBytes > OUTBOX_BYTES) cancelAll()
  }

  function flushOutbox(): void {
    let sent = 0
    for (const { kind, body } of outbox) {
      if (!port.send(kind, body)) break
      outboxBytes -= body.length
      sent++
    }
    outbox = outbox.slice(sent)
  }

  function cancelAll(): void {
    for (const [slot, generation] of live)
      if (!link.send({ kind: "cancel", slot, generation }))
        inbox.push(encodeCommand({ kind: "cancel", slot, generation }))
    live.clear()
  }

  function forgetEnded(words: Int32Array): void {
    for (let at = 0; at < words.length; at += RECORD_WORDS) {
      const slot = words[at + 1] ?? 0
      const isLast = words[at] === RecordKind.finish || words[at] === RecordKind.error
      if (isLast && live.get(slot) === (words[at + 2] ?? 0) >>> 0) live.delete(slot)
    }
  }

  port.onMessage((kind, body) => {
    if (closed || kind !== PortKind.command) return
    if (inbox.length > 0 || !forward(body)) inbox.push(body.slice())
  })
  port.onDrain(() => {
    if (!closed) flushOutbox()
  })
  port.onState((state) => {
    if (closed) return
    outbox = []
    outboxBytes = 0
    if (state !== "lost") return
    inbox.length = 0
    cancelAll()
  })
  link.onDrain(() => {
    if (!closed) flushInbox()
  })
  link.onRecords((words) => {
    if (closed) return
    forgetEnded(words)
    // A copy in Buffer's pool: the words are valid during the call only.
    post(PortKind.records, Buffer.from(new Uint8Array(words.buffer, words.byteOffset, words.byteLength)))
  })
  link.onNotice((notice) => {
    if (!closed) post(PortKind.notice, Buffer.from(JSON.stringify(notice)))
  })

  return {
    close() {
      closed = true
    },
  }
}
