// Prefix cache: a radix tree over token ids whose entries hold KV sequences of finished requests. A hit at any length
// is a fork; blocks are shared by the store. Knows no scheduler.
//
//   root(salt) ── "system prompt" ──┬── "question A, answer A"   entry: KV of the whole path
//                                   └── "question B"             entry
//
// Only ends of paths hold KV: a prefix of one is a fork of it. Entries leave least recently used first, whenever their
// memory is wanted, so cached and running KV share one budget.

import type { KvMemory } from "./kv-memory.ts"

export interface PrefixCache {
  readonly entries: number
  /** A fork of the longest cached prefix of ids[0 .. limit - 1], or null. */
  lookup(salt: string, ids: Int32Array, limit: number): PrefixHit | null
  /** How long that prefix is. */
  reach(salt: string, ids: Int32Array, limit: number): number
  /** A fork of ids[0 .. length - 1], or -1: they are not all there. It does not count as a use. */
  copy(salt: string, ids: Int32Array, length: number): number
  /** Brings in what is kept elsewhere of ids[0 .. limit - 1], before it is looked up; null: nothing is. */
  prepare(salt: string, ids: Int32Array, limit: number): PrefixFetch | null
  /** Takes `kv` over, whose positions are exactly those of `ids`. */
  insert(salt: string, ids: Int32Array, kv: number): void
  /** Closes the entry that was used longest ago. False when there is none. */
  evict(): boolean
  clear(): void
}

export interface PrefixFetch {
  readonly isDone: boolean
}

export interface PrefixHit {
  readonly kv: number
  readonly length: number
  /** What the cache has where the ids go on otherwise, -1: nothing. */
  readonly otherwise: number
}

/** Entries at most, whatever memory there is: bounds the tree itself. */
const MAX_ENTRIES = 1024

interface Node {
  parent: Node | null
  /** Ids on the way from the parent. */
  label: Int32Array
  /** By the first id of their label. */
  readonly children: Map<number, Node>
  /** KV of the whole path, at nodes without children only. */
  kv: number
}

const NO_KV = -1

export function createPrefixCache(memory: Pick<KvMemory, "fork" | "close">): PrefixCache {
  const roots = new Map<string, Node>()
  /** Nodes with KV, least recently used first. */
  const recency = new Set<Node>()

  function node(parent: Node | null, label: Int32Array): Node {
    return { parent, label, children: new Map(), kv: NO_KV }
  }

  function touch(entry: Node): void {
    recency.delete(entry)
    recency.add(entry)
  }

  /** Follows ids[0 .. limit - 1]: the node reached, perhaps inside its label, and the ids that agreed. */
  function walk(root: Node, ids: Int32Array, limit: number): { at: Node; matched: number; inLabel: number } {
    let at = root
    let matched = 0
    for (;;) {
      const child = matched < limit ? at.children.get(ids[matched] ?? -1) : undefined
      if (child === undefined) return { at, matched, inLabel: at.label.length }
      const common = commonLength(child.label, ids, matched, limit)
      matched += common
      if (common < child.label.length) return { at: child, matched, inLabel: common }
      at = child
    }
  }

  function anyEntry(from: Node): Node {
    let at = from
    for (;;) {
      const child = at.children.values().next().value
      if (child === undefined) return at
      at = child
    }
  }

  /** Takes an entry out of the tree; joins a parent that is left with one child. */
  function remove(entry: Node): void {
    memory.close(entry.kv)
    recency.delete(entry)
    const { parent, label } = entry
    if (parent === null) return
    parent.children.delete(label[0] ?? -1)
    const [only] = parent.children.values()
    if (parent.parent !== null && only !== undefined && parent.children.size === 1) {
      only.label = Int32Array.from([...parent.label, ...only.label])
      only.parent = parent.parent
      parent.parent.children.set(only.label[0] ?? -1, only)
    }
    if (parent.parent !== null || parent.children.size > 0) return
    for (const [salt, root] of roots) if (root === parent) roots.delete(salt)
  }

  function evict(): boolean {
    const [oldest] = recency
    if (oldest === undefined) return false
    remove(oldest)
    return true
  }

  return {
    get entries() {
      return recency.size
    },
    lookup(salt, ids, limit) {
      const root = roots.get(salt)
      if (root === undefined) return null
      const { at, matched, inLabel } = walk(root, ids, limit)
      if (matched === 0) return null
      const entry = anyEntry(at)
      touch(entry)
      const next = at.label[inLabel] ?? at.children.values().next().value?.label[0]
      const otherwise = matched === limit ? -1 : (next ?? -1)
      return { kv: memory.fork(entry.kv, matched), length: matched, otherwise }
    },
    reach(salt, ids, limit) {
      const root = roots.get(salt)
      return root === undefined ? 0 : walk(root, ids, limit).matched
    },
    copy(salt, ids, length) {
      const root = roots.get(salt)
      const found = root === undefined ? null : walk(root, ids, length)
      return found?.matched === length && length > 0 ? memory.fork(anyEntry(found.at).kv, length) : NO_KV
    },
    prepare: () => null,
    insert(salt, ids, kv) {
      let root = roots.get(salt)
      if (root === undefined) {
        root = node(null, new Int32Array(0))
        roots.set(salt, root)
      }
      const { at, matched, inLabel } = walk(root, ids, ids.length)
      if (matched === ids.length) {
        // Nothing new; an empty sequence too.
        memory.close(kv)
        if (matched > 0) touch(anyEntry(at))
        return
      }
      let branch = at
      if (inLabel < at.label.length && at.parent !== null) {
        branch = node(at.parent, at.label.slice(0, inLabel))
        at.parent.children.set(at.label[0] ?? -1, branch)
        at.label = at.label.slice(inLabel)
        at.parent = branch
        branch.children.set(at.label[0] ?? -1, at)
      }
      if (branch.kv !== NO_KV) {
        // The longer sequence stands for the shorter one, in its place: a node that is no root and has no children has KV.
        memory.close(branch.kv)
        branch.label = Int32Array.from([...branch.label, ...ids.subarray(matched)])
        branch.kv = kv
        touch(branch)
        return
      }
      const leaf = node(branch, ids.slice(matched))
      leaf.kv = kv
      branch.children.set(leaf.label[0] ?? -1, leaf)
      recency.add(leaf)
      if (recency.size > MAX_ENTRIES) evict()
    },
    evict,
    clear() {
      while (evict());
    },
  }
}

/** How many of label's ids agree with ids from `start` on, below `limit`. */
function commonLength(label: Int32Array, ids: Int32Array, start: number, limit: number): number {
  const most = Math.min(label.length, limit - start)
  let count = 0
  while (count < most && label[count] === ids[start + count]) count++
  return count
}
