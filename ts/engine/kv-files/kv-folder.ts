// The folder of KV blocks on the thread of kv-files-worker.ts: every call may wait for the disk. Knows no cache.

import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { decodeKvFile, encodeKvFile, type KvBlockFacts } from "./kv-file.ts"

export type FolderOrder =
  | { readonly kind: "write"; readonly facts: KvBlockFacts; readonly data: ArrayBuffer }
  | { readonly kind: "read"; readonly facts: KvBlockFacts }
  /** They were used, the first of them last. */
  | { readonly kind: "touch"; readonly keys: readonly string[] }
  | { readonly kind: "remove"; readonly key: string }
  /** Answered when all before it is done. */
  | { readonly kind: "end" }

export type FolderAnswer =
  | { readonly kind: "opened"; readonly blocks: readonly StoredBlock[]; readonly foreign: number }
  | { readonly kind: "ended" }
  | { readonly kind: "written"; readonly key: string; readonly bytes: number }
  | { readonly kind: "read"; readonly key: string; readonly data: ArrayBuffer }
  /** Neither written nor read. */
  | { readonly kind: "failed"; readonly key: string; readonly message: string }

export interface StoredBlock {
  readonly key: string
  readonly bytes: number
}

const BLOCK = /^([0-9a-f]{64})\.safetensors$/u
const UNFINISHED = /^[0-9a-f]{64}\.\d+\.part$/u
/** Of a server that was killed; one that runs writes a file in less. */
const UNFINISHED_MS = 600_000
const PRIVATE_FILE = 0o600
const PRIVATE_FOLDER = 0o700

/** Throws when the folder cannot be used. Blocks are given least recently used first. */
export function openFolder(folder: string): Extract<FolderAnswer, { kind: "opened" }> {
  mkdirSync(folder, { recursive: true, mode: PRIVATE_FOLDER })
  const probe = join(folder, `${process.pid}.part`)
  writeFileSync(probe, "", { mode: PRIVATE_FILE })
  rmSync(probe)
  const blocks: (StoredBlock & { readonly usedMs: number })[] = []
  let foreign = 0
  for (const name of readdirSync(folder)) {
    const key = BLOCK.exec(name)?.[1]
    const stats = statSync(join(folder, name), { throwIfNoEntry: false })
    if (stats === undefined) continue
    if (key !== undefined && stats.isFile()) blocks.push({ key, bytes: stats.size, usedMs: stats.mtimeMs })
    else if (!UNFINISHED.test(name)) foreign++
    else if (Date.now() - stats.mtimeMs > UNFINISHED_MS) rmSync(join(folder, name), { force: true })
  }
  return { kind: "opened", blocks: blocks.toSorted((a, b) => a.usedMs - b.usedMs), foreign }
}

/** Null: nothing to tell. */
export function obey(folder: string, order: FolderOrder): FolderAnswer | null {
  const path = (key: string): string => join(folder, `${key}.safetensors`)
  const key = order.kind === "write" || order.kind === "read" ? order.facts.key : ""
  try {
    switch (order.kind) {
      case "write": {
        const parts = encodeKvFile(order.facts, new Uint8Array(order.data))
        // Whole or not at all: a server that is killed leaves no half block, and another may read it now.
        const unfinished = join(folder, `${key}.${process.pid}.part`)
        writeFileSync(unfinished, Buffer.concat(parts), { mode: PRIVATE_FILE })
        renameSync(unfinished, path(key))
        return { kind: "written", key, bytes: parts.reduce((sum, part) => sum + part.length, 0) }
      }
      case "read": {
        const data = decodeKvFile(readFileSync(path(key)), order.facts)
        return { kind: "read", key, data: data.buffer }
      }
      case "touch": {
        const now = Date.now()
        for (const [i, one] of order.keys.entries()) {
          const at = (now - i) / 1000
          utimesSync(path(one), at, at)
        }
        return null
      }
      case "remove":
        rmSync(path(order.key), { force: true })
        return null
      case "end":
        break
    }
    return { kind: "ended" }
  } catch (error) {
    return key === "" ? null : { kind: "failed", key, message: error instanceof Error ? error.message : String(error) }
  }
}
