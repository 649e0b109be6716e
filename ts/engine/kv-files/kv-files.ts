// KV blocks on disk, for the thread that owns MLX: what there is, within how many bytes, and orders to the thread that
// reads and writes. Answers are fetched by poll, because that thread runs no events while it works. Knows no model.

import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from "node:worker_threads"
import type { KvBlockFacts } from "./kv-file.ts"
import type { FolderAnswer, FolderOrder } from "./kv-folder.ts"

export interface KvFiles {
  has(key: string): boolean
  /** Orders that are not answered yet. */
  readonly pending: number
  /** Takes the buffer over. */
  write(facts: KvBlockFacts, data: ArrayBuffer): void
  /** `done` is called by poll; null: the file is not there any more, or not what it should be. */
  read(facts: KvBlockFacts, done: (data: Float32Array | null) => void): void
  /** These were used just now, the first ones last: they are the beginning of others. */
  touch(keys: readonly string[]): void
  /** They follow a block that could not be read: without it nobody asks for them, and it will be written with them. */
  drop(keys: readonly string[]): void
  poll(): void
  /** Sleeps for a moment, then polls. */
  wait(): void
  /** Waits for what was ordered, `timeoutMs` at most, and ends the thread. */
  close(timeoutMs: number): void
}

const OPEN_MS = 30_000
const WAIT_MS = 2

/** `note` gets a line for the operator. Rejects when the folder cannot be used. */
export async function openKvFiles(
  folder: string,
  limitBytes: number,
  note: (message: string) => void,
): Promise<KvFiles> {
  const { port1: port, port2 } = new MessageChannel()
  const worker = new Worker(new URL("./kv-files-worker.js", import.meta.url), {
    workerData: { folder, port: port2 },
    transferList: [port2],
  })
  worker.unref()
  const opened = await new Promise<Extract<FolderAnswer, { kind: "opened" }>>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${folder} did not answer in ${OPEN_MS} ms.`)), OPEN_MS)
    port.once("message", (answer: FolderAnswer) => {
      clearTimeout(timer)
      if (answer.kind === "opened") resolve(answer)
    })
    worker.once("error", (cause) => {
      clearTimeout(timer)
      reject(new Error(`The folder of the prefix cache cannot be used: ${cause.message}`, { cause }))
    })
  })
  port.unref()
  return createKvFiles(worker, port, folder, limitBytes, note, opened)
}

function createKvFiles(
  worker: Worker,
  port: MessagePort,
  folder: string,
  limitBytes: number,
  note: (message: string) => void,
  { blocks, foreign }: Extract<FolderAnswer, { kind: "opened" }>,
): KvFiles {
  /** Sizes, least recently used first. */
  const stored = new Map(blocks.map(({ key, bytes }) => [key, bytes] as const))
  let storedBytes = blocks.reduce((sum, { bytes }) => sum + bytes, 0)
  const writing = new Set<string>()
  const readers = new Map<string, ((data: Float32Array | null) => void)[]>()
  const state = { isNoted: false, isEnded: false }

  const order = (one: FolderOrder, transfer: readonly ArrayBuffer[] = []): void => port.postMessage(one, [...transfer])

  /** The first trouble is told; more of it would only fill the log. */
  function trouble(message: string): void {
    if (!state.isNoted) note(`prefix cache in ${folder}: ${message}`)
    state.isNoted = true
  }

  function remove(key: string): void {
    storedBytes -= stored.get(key) ?? 0
    stored.delete(key)
    order({ kind: "remove", key })
  }

  function shrink(): void {
    for (const key of stored.keys()) {
      if (storedBytes <= limitBytes) return
      remove(key)
    }
  }

  function hear(answer: FolderAnswer): void {
    switch (answer.kind) {
      case "opened":
        break
      case "ended":
        state.isEnded = true
        break
      case "written":
        writing.delete(answer.key)
        stored.set(answer.key, answer.bytes)
        storedBytes += answer.bytes
        shrink()
        break
      case "read": {
        const waiting = readers.get(answer.key) ?? []
        readers.delete(answer.key)
        for (const done of waiting) done(new Float32Array(answer.data))
        break
      }
      case "failed": {
        const waiting = readers.get(answer.key)
        trouble(`a block ${waiting === undefined ? "could not be written" : "is not used"}: ${answer.message}`)
        writing.delete(answer.key)
        if (waiting === undefined) break
        readers.delete(answer.key)
        remove(answer.key)
        for (const done of waiting) done(null)
        break
      }
    }
  }

  // Where the thread does run events, they come by themselves.
  port.on("message", hear)
  port.unref()
  function poll(): void {
    for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port))
      hear(next.message)
  }

  /** Nobody rings: the answer comes as a message. */
  const bell = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
  function wait(): void {
    Atomics.wait(bell, 0, 0, WAIT_MS)
    poll()
  }

  if (foreign > 0) note(`prefix cache in ${folder}: ${foreign} files of others are left alone.`)
  shrink()

  return {
    has: (key) => stored.has(key) || writing.has(key),
    get pending() {
      return writing.size + readers.size
    },
    write(facts, data) {
      writing.add(facts.key)
      order({ kind: "write", facts, data }, [data])
    },
    read(facts, done) {
      const waiting = readers.get(facts.key)
      if (waiting !== undefined) {
        waiting.push(done)
        return
      }
      readers.set(facts.key, [done])
      order({ kind: "read", facts })
    },
    touch(keys) {
      for (const key of keys.toReversed()) {
        const bytes = stored.get(key)
        if (bytes === undefined) continue
        stored.delete(key)
        stored.set(key, bytes)
      }
      order({ kind: "touch", keys })
    },
    drop(keys) {
      for (const key of keys) remove(key)
    },
    poll,
    wait,
    close(timeoutMs) {
      const deadline = performance.now() + timeoutMs
      // What is written may make others leave.
      while (writing.size > 0 && performance.now() < deadline) wait()
      order({ kind: "end" })
      while (!state.isEnded && performance.now() < deadline) wait()
      port.close()
      void worker.terminate()
    },
  }
}
