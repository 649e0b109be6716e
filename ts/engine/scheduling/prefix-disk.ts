// The prefix cache's second tier: KV blocks of prompts and answers in files, which outlive the process. Saves behind the
// steps, a block at a time; reads what a new sequence lacks before it enters the queue. A block that cannot be read is
// computed like any other. Knows no file format.

import { createHash } from "node:crypto"
import type { NativeEngine } from "mlx-jaccl-rs"
import { blockKeys, type KvBlockFacts, type KvFiles } from "../kv-files/index.ts"
import type { KvSequences } from "./kv-memory.ts"
import { createKvRoom } from "./kv-room.ts"
import { isKvFull } from "./model-runner.ts"
import type { PrefixCache, PrefixFetch } from "./prefix-cache.ts"

/** Another meaning of the numbers, from kernels that give other ones to a layout of its own, is another version. */
const KV_BLOCK_VERSION = 1
/** Positions a file holds. */
const DISK_BLOCK = 64
/** Sequences whose blocks wait to be saved; the oldest is dropped for a new one. */
const MAX_JOBS = 64
/** Files that are written at once: bounds the copies of KV in memory. */
const MAX_WRITES = 2
/** Files that are read ahead of the one that is taken. */
const READ_AHEAD = 2
/** Saving takes one part in so many of the time while steps run. */
const BUSY_SHARE = 20
/** For what is not saved when the model goes. */
const CLOSE_MS = 3000

export interface PrefixDisk {
  /** Something is to be saved, or being read or written. */
  readonly isBusy: boolean
  /** The prefix cache, which now keeps what is inserted and brings in what was kept. */
  readonly cache: PrefixCache
  /** Does a little of what is to be done. `isIdle`: no step waits for it. */
  work(isIdle: boolean): void
  /** Saves what it can in time. */
  close(): void
}

export interface PrefixDiskOptions {
  /** What KV depends on beside tokens. */
  readonly origin: Readonly<Record<string, string>>
  readonly shape: { readonly layers: number; readonly kvHeads: number; readonly headDim: number }
  readonly nowUs: () => number
}

interface Job {
  readonly salt: string
  readonly ids: Int32Array
  readonly keys: readonly string[]
  /** The block to be looked at next. */
  next: number
}

interface Fetching extends PrefixFetch {
  isDone: boolean
  /** Blocks whose files were asked for, and those that came, in order. */
  asked: number
  readonly came: (Float32Array | null)[]
  readonly last: number
  taken: number
  kv: number
  readonly salt: string
  readonly ids: Int32Array
  readonly keys: readonly string[]
}

export function createPrefixDisk(
  engine: Pick<NativeEngine, "kvRead" | "kvAppend">,
  files: KvFiles,
  kv: KvSequences,
  memory: PrefixCache,
  options: PrefixDiskOptions,
): PrefixDisk {
  const { origin, nowUs } = options
  const { layers, kvHeads, headDim } = options.shape
  const shape = [layers, kvHeads, DISK_BLOCK, headDim] as const
  const room = createKvRoom(kv, memory)
  /** By the name of their last block: the same prompt again is the same job. */
  const jobs = new Map<string, Job>()
  const fetching = new Map<string, Fetching>()
  let restUntilUs = 0

  const rootOf = (salt: string): string =>
    createHash("sha256")
      .update(JSON.stringify([KV_BLOCK_VERSION, origin, shape, salt]))
      .digest("hex")

  function factsOf(salt: string, ids: Int32Array, keys: readonly string[], block: number): KvBlockFacts {
    const start = block * DISK_BLOCK
    return {
      key: keys[block] ?? "",
      parent: keys[block - 1] ?? rootOf(salt),
      start,
      tokens: Array.from(ids.subarray(start, start + DISK_BLOCK)),
      shape,
      origin,
    }
  }

  /** Copies the next block of a job that is not on disk. False: the job is done, or its KV is gone. */
  function save(job: Job): boolean {
    const { salt, ids, keys } = job
    while (job.next < keys.length && files.has(keys[job.next] ?? "")) job.next++
    const end = (job.next + 1) * DISK_BLOCK
    const own = job.next < keys.length ? memory.copy(salt, ids, end) : -1
    if (own < 0) return false
    try {
      const data = new Float32Array(2 * layers * kvHeads * DISK_BLOCK * headDim)
      engine.kvRead(kv.handle(own), end - DISK_BLOCK, end, data)
      files.write(factsOf(salt, ids, keys, job.next), data.buffer)
    } finally {
      kv.close(own)
    }
    job.next++
    return true
  }

  function saveSome(isIdle: boolean): void {
    if (files.pending >= MAX_WRITES || (!isIdle && nowUs() < restUntilUs)) return
    const [entry] = jobs
    if (entry === undefined) return
    const [name, job] = entry
    const begunUs = nowUs()
    if (!save(job)) {
      jobs.delete(name)
      files.touch(job.keys)
    }
    restUntilUs = nowUs() + (BUSY_SHARE - 1) * (nowUs() - begunUs)
  }

  /** KV that holds the blocks before the first that is read. */
  function begin({ salt, ids, taken }: Fetching): number {
    if (taken === 0) return kv.open()
    const hit = memory.lookup(salt, ids, taken * DISK_BLOCK)
    if (hit?.length === taken * DISK_BLOCK) return hit.kv
    if (hit !== null) kv.close(hit.kv)
    return -1
  }

  /** False: there is no room for more. */
  function append(fetch: Fetching, data: Float32Array): boolean {
    if (fetch.kv < 0) fetch.kv = begin(fetch)
    // One more than it needs: the last block may be shared.
    if (fetch.kv < 0 || !room.evictUntil(room.blocks(DISK_BLOCK) + 1)) return false
    try {
      engine.kvAppend(kv.handle(fetch.kv), data)
    } catch (error) {
      if (isKvFull(error)) return false
      throw error
    }
    fetch.taken++
    return true
  }

  function ask(fetch: Fetching): void {
    while (fetch.asked < fetch.last && fetch.asked - fetch.taken < READ_AHEAD) {
      files.read(factsOf(fetch.salt, fetch.ids, fetch.keys, fetch.asked++), (data) => fetch.came.push(data))
    }
  }

  function end(name: string, fetch: Fetching): void {
    const length = fetch.taken * DISK_BLOCK
    if (fetch.kv >= 0) memory.insert(fetch.salt, fetch.ids.slice(0, length), fetch.kv)
    files.touch(fetch.keys.slice(0, fetch.taken))
    fetching.delete(name)
    fetch.isDone = true
  }

  function takeSome(): void {
    for (const [name, fetch] of fetching) {
      const data = fetch.came.shift()
      if (data === undefined) continue
      if (data === null) files.drop(fetch.keys.slice(fetch.taken + 1, fetch.last))
      if (data === null || !append(fetch, data) || fetch.taken === fetch.last) end(name, fetch)
      else ask(fetch)
    }
  }

  function offer(salt: string, ids: Int32Array): void {
    const keys = blockKeys(rootOf(salt), ids, DISK_BLOCK)
    const last = keys.at(-1)
    if (last === undefined || jobs.has(last) || keys.every((key) => files.has(key))) return
    const [oldest] = jobs.keys()
    if (jobs.size >= MAX_JOBS && oldest !== undefined) jobs.delete(oldest)
    jobs.set(last, { salt, ids, keys, next: 0 })
  }

  function insert(salt: string, ids: Int32Array, sequence: number): void {
    memory.insert(salt, ids, sequence)
    offer(salt, ids)
  }

  function prepare(salt: string, ids: Int32Array, limit: number): PrefixFetch | null {
    const first = Math.floor(memory.reach(salt, ids, limit) / DISK_BLOCK)
    const keys = blockKeys(rootOf(salt), ids.subarray(0, limit), DISK_BLOCK)
    let last = first
    while (last < keys.length && files.has(keys[last] ?? "")) last++
    const name = keys[last - 1]
    if (last === first || name === undefined) return null
    const known = fetching.get(name)
    if (known !== undefined) return known
    const fetch: Fetching = { isDone: false, asked: first, came: [], last, taken: first, kv: -1, salt, ids, keys }
    fetching.set(name, fetch)
    ask(fetch)
    return fetch
  }

  return {
    get isBusy() {
      return jobs.size > 0 || fetching.size > 0 || files.pending > 0
    },
    cache: {
      get entries() {
        return memory.entries
      },
      lookup: (salt, ids, limit) => memory.lookup(salt, ids, limit),
      reach: (salt, ids, limit) => memory.reach(salt, ids, limit),
      copy: (salt, ids, length) => memory.copy(salt, ids, length),
      prepare,
      insert,
      evict: () => memory.evict(),
      clear: () => memory.clear(),
    },
    work(isIdle) {
      files.poll()
      takeSome()
      saveSome(isIdle)
    },
    close() {
      for (const [name, fetch] of fetching) end(name, fetch)
      const deadlineUs = nowUs() + CLOSE_MS * 1000
      while (jobs.size > 0 && nowUs() < deadlineUs) {
        if (files.pending >= MAX_WRITES) files.wait()
        saveSome(true)
      }
      jobs.clear()
    },
  }
}
