// A model runner for tests: KV sequences are lists of tokens in counted, shared blocks, and the next token is a hash of
// all tokens before it. A scheduler that loses, repeats or mixes up a position shows in the tokens.

import { createKvSequences, type KvSequences, type KvUse } from "./kv-memory.ts"
import { KvFullError, type ModelRunner } from "./model-runner.ts"
import { decodePlan, encodePlan, type StepPlan } from "./step-plan.ts"

interface Block {
  users: number
}
interface Stored {
  tokens: number[]
  blocks: Block[]
}

export interface ReferenceRunner extends ModelRunner {
  readonly kv: KvSequences
  readonly blocksUsed: number
  readonly submitted: StepPlan[]
  /** Called before a plan is run; may throw. */
  beforeSubmit: (plan: StepPlan) => void
}

/** The token that follows `tokens`. */
export function nextToken(tokens: readonly number[], vocabularySize: number): number {
  let hash = 2166136261
  for (const token of tokens) hash = Math.imul(hash ^ token, 16777619)
  hash ^= hash >>> 15
  return (hash >>> 0) % vocabularySize
}

export function createReferenceRunner(options: {
  readonly vocabularySize: number
  readonly blocks: number
  readonly blockPositions: number
}): ReferenceRunner {
  const { vocabularySize, blocks: blocksTotal, blockPositions } = options
  const stored = new Map<number, Stored>()
  let blocksUsed = 0
  let nextHandle = 0
  const submitted: StepPlan[] = []
  const samples: Int32Array[] = []

  function get(handle: number): Stored {
    const found = stored.get(handle)
    if (found === undefined) throw new Error(`no handle ${handle}`)
    return found
  }
  function allocate(): Block {
    if (blocksUsed === blocksTotal) throw new Error("KV memory is full")
    blocksUsed++
    return { users: 1 }
  }
  function release(block: Block | undefined): void {
    if (block !== undefined && --block.users === 0) blocksUsed--
  }
  const blocksOf = (length: number): number => Math.ceil(length / blockPositions)

  const kv = createKvSequences(
    {
      kvOpen() {
        stored.set(nextHandle, { tokens: [], blocks: [] })
        return nextHandle++
      },
      kvFork(from, length) {
        const { tokens, blocks } = get(from)
        if (length > tokens.length) throw new Error("fork beyond the end")
        const shared = blocks.slice(0, blocksOf(length))
        for (const block of shared) block.users++
        stored.set(nextHandle, { tokens: tokens.slice(0, length), blocks: shared })
        return nextHandle++
      },
      kvTruncate(handle, length) {
        const sequence = get(handle)
        sequence.tokens.length = Math.min(length, sequence.tokens.length)
        while (sequence.blocks.length > blocksOf(length)) release(sequence.blocks.pop())
      },
      kvClose(handle) {
        for (const block of get(handle).blocks) release(block)
        stored.delete(handle)
      },
      kvStats: (): KvUse & { sequences: number; blockBytes: number } => ({
        blocksTotal,
        blocksUsed,
        blockPositions,
        blockBytes: 1,
        sequences: stored.size,
        bytesTotal: blocksTotal,
        bytesUsed: blocksUsed,
      }),
    },
    0,
  )

  /** Makes room for positions up to `length` and copies a shared block that is written. */
  function reserve(sequence: Stored, start: number, length: number): void {
    for (let i = Math.floor(start / blockPositions); i < blocksOf(length); i++) {
      const block = sequence.blocks[i]
      if (block === undefined) sequence.blocks.push(allocate())
      else if (block.users > 1) {
        const copy = allocate()
        release(block)
        sequence.blocks[i] = copy
      }
    }
  }

  const runner: ReferenceRunner = {
    kv,
    submitted,
    beforeSubmit: () => {},
    get blocksUsed() {
      return blocksUsed
    },
    submit(original) {
      const plan = decodePlan(encodePlan(original))
      runner.beforeSubmit(plan)
      const needed = plan.segments.reduce((sum, { kv: number, start, entries }) => {
        const sequence = get(kv.handle(number))
        const tail = start % blockPositions !== 0 && (sequence.blocks.at(-1)?.users ?? 1) > 1 ? 1 : 0
        return (
          sum +
          tail +
          blocksOf(start + entries.length) -
          Math.min(sequence.blocks.length, blocksOf(start + entries.length))
        )
      }, 0)
      if (needed > blocksTotal - blocksUsed) throw new KvFullError(new Error("KV memory is full"))
      const before = samples[plan.step - 1]
      const tokens: number[] = []
      for (const segment of plan.segments) {
        const sequence = get(kv.handle(segment.kv))
        if (segment.start > sequence.tokens.length) throw new Error("a gap in the KV")
        reserve(sequence, segment.start, segment.start + segment.entries.length)
        sequence.tokens.length = segment.start
        segment.entries.forEach((entry, i) => {
          const token = entry >= 0 ? entry : before?.[-entry - 1]
          if (token === undefined) throw new Error("names a token that was not sampled")
          sequence.tokens.push(token)
          if (i >= segment.entries.length - segment.samples) tokens.push(nextToken(sequence.tokens, vocabularySize))
        })
      }
      samples[plan.step] = Int32Array.from(tokens)
      submitted.push(plan)
    },
    sample() {
      // The next token is a hash of those before it, whatever else may come.
    },
    read(plan) {
      const tokens = samples[plan.step] ?? new Int32Array(0)
      return { tokens, logprobs: null, alternatives: new Map() }
    },
  }
  return runner
}
