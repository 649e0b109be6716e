// For tests: a scheduler over the reference runner, requests for it, and what they must give.

import type { SubmitCommand } from "../link.ts"
import { RecordKind } from "../rings/index.ts"
import { createPrefixCache } from "./prefix-cache.ts"
import { createRecordWriter } from "./record-writer.ts"
import { createReferenceRunner, nextToken } from "./reference-runner.ts"
import { createScheduler, type SchedulerOptions } from "./scheduler.ts"
import type { Speculator } from "./speculator.ts"
import { createStepLoop } from "./step-loop.ts"

export const VOCABULARY = 97

interface Heard {
  readonly tokens: number[]
  readonly kinds: number[]
  cached: number
  finish: number
  error: number
}

export function setUp(
  overrides: Partial<SchedulerOptions> & { blocks?: number; lookAhead?: boolean; speculator?: Speculator } = {},
) {
  const { blocks = 1000, lookAhead = true, speculator = null, ...rest } = overrides
  const options: SchedulerOptions = {
    model: 0,
    epoch: 1,
    vocabularySize: VOCABULARY,
    contextLength: 500,
    maxRunning: 8,
    prefillChunk: 16,
    interleavedChunk: 16,
    ...rest,
  }
  const runner = createReferenceRunner({ vocabularySize: VOCABULARY, blocks, blockPositions: 4 })
  const cache = createPrefixCache(runner.kv)
  const heard = new Map<number, Heard>()
  const records = createRecordWriter(
    0,
    (words) => take(words),
    () => 0,
  )
  const scheduler = createScheduler(options, runner.kv, cache, records, () => 0, speculator)
  const errors: unknown[] = []
  const loop = createStepLoop(scheduler, runner, { lookAhead, nowUs: () => 0, onError: (e) => errors.push(e) })

  function hear(slot: number): Heard {
    const found = heard.get(slot) ?? { tokens: [], kinds: [], cached: -1, finish: 0, error: -1 }
    heard.set(slot, found)
    return found
  }
  function take(words: Int32Array): void {
    const [kind = 0, slot = 0, , , a = 0, b = 0] = words
    const own = hear(slot)
    own.kinds.push(kind)
    if (kind === RecordKind.started) own.cached = b
    if (kind === RecordKind.token) own.tokens.push(a)
    if (kind === RecordKind.finish) own.finish = a
    if (kind === RecordKind.error) own.error = a
  }
  function finishAll(): void {
    let steps = 0
    while (loop.step()) if (++steps > 100_000) throw new Error("does not end")
  }
  return { scheduler, runner, cache, loop, hear, finishAll, errors }
}

export function request(
  slot: number,
  promptIds: readonly number[],
  maxTokens: number,
  more: Partial<SubmitCommand> = {},
) {
  const command: SubmitCommand = {
    kind: "submit",
    slot,
    generation: 1,
    model: 0,
    promptIds: Int32Array.from(promptIds),
    sampling: { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 0n, ignoreEos: false },
    maxTokens,
    resumed: 0,
    logprobs: -1,
    eosIds: [],
    client: 0,
    ...more,
  }
  return command
}

export const prompt = (length: number, seed: number): number[] =>
  Array.from({ length }, (_, i) => (i * 31 + seed * 17 + 3) % VOCABULARY)

/** What a request must give, computed alone and without a scheduler. */
export function expected(promptIds: readonly number[], maxTokens: number, eosIds: readonly number[] = []): number[] {
  const all = [...promptIds]
  const out: number[] = []
  while (out.length < maxTokens) {
    const token = nextToken(all, VOCABULARY)
    out.push(token)
    all.push(token)
    if (eosIds.includes(token)) break
  }
  return out
}
