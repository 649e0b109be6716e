// The tokens of a step are let go after the ranks' hashes of its hidden states were found equal, and not before.

import t from "tap"
import { HASH_PARTS } from "../models/index.ts"
import { RecordKind } from "../rings/index.ts"
import { createModelRunner } from "./model-runner.ts"
import { createPrefixCache } from "./prefix-cache.ts"
import { createRecordWriter } from "./record-writer.ts"
import { createReferenceRunner } from "./reference-runner.ts"
import { createScheduler } from "./scheduler.ts"
import { prompt, request, VOCABULARY } from "./scheduler-fixture.ts"
import { createStepLoop } from "./step-loop.ts"

const RANKS = 2
const TOKEN = 7
const HASH = [1, 2, 3, 4]
const DAMAGED = [1, 2, 3, 5]

/** Damages the hidden states of the other rank in step `damagedStep`, counted from 0. */
function run(damagedStep: number) {
  const done: string[] = []
  let compared = 0
  const engine = {
    exec: () => undefined,
    clearCache: () => undefined,
    readFloats(_: number, out: Float32Array): number {
      if (out.length !== HASH_PARTS * RANKS) return out.length
      out.set([...HASH, ...(compared === damagedStep ? DAMAGED : HASH)])
      done.push(`compare ${compared++}`)
      return out.length
    },
    readTokens(_: number, out: Int32Array): number {
      out.fill(TOKEN)
      done.push("read")
      return out.length
    },
  }
  const { kv } = createReferenceRunner({ vocabularySize: VOCABULARY, blocks: 100, blockPositions: 4 })
  const model = { forward: () => 100, logits: () => 101, best: () => undefined }
  const runner = createModelRunner(
    engine,
    model,
    { handle: (sequence) => sequence },
    {
      vocabularySize: VOCABULARY,
      hiddenSize: 8,
      firstRegister: 0,
      ranks: RANKS,
    },
  )
  const records = createRecordWriter(
    0,
    (words) => {
      if (words[0] === RecordKind.token) done.push("token")
    },
    () => 0,
  )
  const limits = { contextLength: 500, maxRunning: 8, prefillChunk: 16, interleavedChunk: 16 }
  const options = { model: 0, epoch: 1, vocabularySize: VOCABULARY, ...limits }
  const scheduler = createScheduler(options, kv, createPrefixCache(kv), records, () => 0)
  const mirror = () => undefined
  const onError = () => done.push("error")
  const loop = createStepLoop(scheduler, runner, { lookAhead: true, nowUs: () => 0, onError, mirror })
  scheduler.submit(request(0, prompt(5, 1), 4))
  return {
    done,
    finish: () => {
      while (loop.step());
    },
  }
}

t.test("every token follows the comparison of its step", async (t) => {
  const { done, finish } = run(-1)
  finish()
  t.same(
    done,
    [0, 1, 2, 3].flatMap((step) => [`compare ${step}`, "read", "token"]),
  )
})

t.test("of a step whose hidden states differ no token is read, and the loop ends with the group", async (t) => {
  const { done, finish } = run(2)
  t.throws(finish, { code: "engine_lost", message: /^rank group lost: the ranks hold different hidden states in step/ })
  t.same(done, ["compare 0", "read", "token", "compare 1", "read", "token", "compare 2"])
})
