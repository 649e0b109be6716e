// The native engine through its command buffer: errors, both executors against each other, KV sequences.

import { NativeEngine } from "mlx-jaccl-rs"
import t from "tap"
import { CommandBuffer, NONE } from "./command-buffer.ts"
import {
  generate,
  lastLogits,
  openMlx,
  openRandomModel,
  sampleWords,
  seeded,
  VOCABULARY,
  Weight,
  writeRandomModel,
} from "./random-model-fixture.ts"

const PROMPT = [5, 17, 3, 88, 41, 2, 2, 60, 9, 33, 71, 14, 28, 55, 90, 1, 7]

t.throws(
  () => new NativeEngine({ device: "cpu" }),
  /^MLX is not loaded: call loadMlx\(\) first$/u,
  "an engine before loadMlx says what to do",
)

const info = openMlx()
const folder = t.testdir()
writeRandomModel(folder)
const reference = openRandomModel(folder, { executor: "mlx" })
const own = openRandomModel(folder, { executor: "auto" })
t.teardown(() => {
  reference.engine.close()
  own.engine.close()
})

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] ?? Number.NaN))), 0)
}

t.test("loadMlx names version and back end, and is the same when called again", async (t) => {
  t.match(info, { version: "0.32.4", backend: /^(cpu|metal|cuda)$/u })
  t.same(openMlx(), info)
})

t.test("both executors give the same logits in prefill, in decode and over chunks", async (t) => {
  const [a, b, c] = [
    reference.engine.kvOpen(reference.store),
    own.engine.kvOpen(own.store),
    own.engine.kvOpen(own.store),
  ]
  const expected = lastLogits(reference, a, PROMPT)
  t.ok(expected.every(Number.isFinite))
  t.ok(largestDifference(expected, lastLogits(own, b, PROMPT)) < 1e-3, "prefill")
  lastLogits(own, c, PROMPT.slice(0, 5))
  t.ok(largestDifference(expected, lastLogits(own, c, PROMPT.slice(5))) < 1e-3, "prefill in two chunks")
  for (const token of [4, 9, 77]) {
    const difference = largestDifference(lastLogits(reference, a, [token]), lastLogits(own, b, [token]))
    t.ok(difference < 1e-3, `decode (${difference})`)
  }
  t.equal(own.engine.kvLength(b), PROMPT.length + 3)
  reference.engine.kvClose(a)
  own.engine.kvClose(b)
  own.engine.kvClose(c)
  t.equal(own.engine.kvStats(own.store).blocksUsed, 0, "closed sequences give their blocks back")
  t.equal(reference.engine.kvStats(reference.store).blocksUsed, 0)
})

t.test("greedy tokens and their logprobs are equal, with the next step submitted before a token is read", async (t) => {
  const expected = generate(reference, PROMPT, 24)
  const actual = generate(own, PROMPT, 24)
  t.same(actual.tokens, expected.tokens)
  const most = Math.max(...actual.logprobs.map((p, i) => Math.abs(p - (expected.logprobs[i] ?? Number.NaN))))
  t.ok(most < 1e-3, `logprobs differ by ${most}`)
})

t.test("a seed gives the same tokens again, in both executors, and another seed gives others", async (t) => {
  const filters = [{ temperature: 1.5 }, { temperature: 1.5, topK: 12, topP: 0.9 }, { temperature: 2, minP: 0.05 }]
  for (const filter of filters) {
    const first = generate(own, PROMPT, 16, { ...filter, seed: 5 })
    t.same(generate(own, PROMPT, 16, { ...filter, seed: 5 }).tokens, first.tokens)
    t.same(generate(reference, PROMPT, 16, { ...filter, seed: 5 }).tokens, first.tokens)
    t.notSame(generate(own, PROMPT, 16, { ...filter, seed: 6 }).tokens, first.tokens)
  }
})

for (const [name, model] of [
  ["own kernels", own],
  ["MLX", reference],
] as const) {
  const { engine, store } = model

  t.test(`${name}: a batch of sequences gives what each gives alone`, async (t) => {
    const prompts = [PROMPT.slice(0, 4), PROMPT.slice(4, 5), PROMPT.slice(5)]
    const alone = prompts.map((prompt) => {
      const handle = engine.kvOpen(store)
      const logits = lastLogits(model, handle, prompt)
      engine.kvClose(handle)
      return logits
    })
    const handles = prompts.map(() => engine.kvOpen(store))
    const buffer = new CommandBuffer()
    buffer.batch(prompts.map((prompt, i) => [handles[i] ?? NONE, prompt.length, 0]))
    const hidden = model.forward(buffer, buffer.tokens(Int32Array.from(prompts.flat()), NONE))
    let row = -1
    const last = prompts.map((prompt) => (row += prompt.length))
    const logits = model.logits(buffer, buffer.rows(hidden, Int32Array.from(last)))
    buffer.evaluate([logits])
    engine.exec(buffer.tape, buffer.length)
    const out = new Float32Array(VOCABULARY * prompts.length)
    t.equal(engine.readFloats(logits, out), out.length)
    alone.forEach((expected, i) => {
      t.ok(largestDifference(expected, out.subarray(i * VOCABULARY, (i + 1) * VOCABULARY)) < 1e-4, `sequence ${i}`)
    })
    for (const handle of handles) engine.kvClose(handle)
  })

  t.test(`${name}: a fork continues by itself, and a truncated sequence forgets`, async (t) => {
    const whole = engine.kvOpen(store)
    lastLogits(model, whole, PROMPT)
    const fork = engine.kvFork(whole, 10)
    t.equal(engine.kvLength(fork), 10)
    const forked = lastLogits(model, fork, [50, 51])
    const continued = lastLogits(model, whole, [4])
    const fresh = engine.kvOpen(store)
    t.ok(largestDifference(lastLogits(model, fresh, [...PROMPT.slice(0, 10), 50, 51]), forked) < 1e-4, "the fork")
    engine.kvTruncate(fresh, 0)
    t.equal(engine.kvLength(fresh), 0)
    t.ok(largestDifference(lastLogits(model, fresh, [...PROMPT, 4]), continued) < 1e-4, "the source is not changed")
    engine.kvTruncate(whole, 10)
    t.ok(largestDifference(lastLogits(model, whole, [50, 51]), forked) < 1e-4, "after truncation")
    for (const handle of [whole, fork, fresh]) engine.kvClose(handle)
    t.equal(engine.kvStats(store).sequences, 0)
  })

  t.test(`${name}: wrong buffers are errors that name the operation, and the engine goes on`, async (t) => {
    const run = (build: (buffer: CommandBuffer) => void) => () => {
      const buffer = new CommandBuffer()
      build(buffer)
      engine.exec(buffer.tape, buffer.length)
    }
    const handle = engine.kvOpen(store)
    t.throws(() => engine.exec(Int32Array.of(99), 1), /opcode 99 \(operation 0\)/u)
    t.throws(() => engine.exec(Int32Array.of(2, 70), 2), /OP_TOKENS \(operation 0\): the command buffer ends/u)
    t.throws(() => engine.exec(Int32Array.of(2), 5), /has 1 words, 5 were asked/u)
    t.throws(
      run((b) => void b.add(70, 71)),
      /OP_ADD \(operation 0\): register 70 is empty/u,
    )
    t.throws(
      run((b) => void b.embed(b.tokens(Int32Array.of(VOCABULARY), NONE), 0, 1)),
      /OP_EMBED \(operation 1\): token 96/u,
    )
    t.throws(
      run((b) => void b.embed(b.tokens(Int32Array.of(1), NONE), 999, 1)),
      /there is no weight 999/u,
    )
    t.throws(
      run((b) => {
        const x = b.embed(b.tokens(Int32Array.of(1), NONE), Weight.EMBEDDING, 1)
        b.linear(b.linear(x, Weight.EMBEDDING), Weight.EMBEDDING)
      }),
      /OP_LINEAR \(operation 3\): a row has 96 elements, weight 0 takes 64/u,
    )
    t.throws(
      run((b) => void b.embedPart(b.tokens(Int32Array.of(1), NONE), Weight.EMBEDDING, 1, 5, VOCABULARY)),
      /OP_EMBED_PART \(operation 1\): rows 5 to 101 of a vocabulary of 96/u,
    )
    t.throws(
      run((b) => void b.gatherColumns(b.embed(b.tokens(Int32Array.of(1), NONE), Weight.EMBEDDING, 1), [65])),
      /OP_GATHER_COLUMNS \(operation 2\): a row has 64 elements, not 65/u,
    )
    t.throws(
      run((b) => void b.gatherColumns(b.embed(b.tokens(Int32Array.of(1), NONE), Weight.EMBEDDING, 1), [64, 64])),
      /OP_GATHER_COLUMNS \(operation 2\): 2 widths for 1 ranks/u,
    )
    t.throws(
      run((b) => b.bestToken(0, b.embed(b.tokens(Int32Array.of(1), NONE), Weight.EMBEDDING, 1), 40, VOCABULARY)),
      /OP_BEST_TOKEN \(operation 2\): tokens 40 to 104 of a vocabulary of 96/u,
    )
    t.throws(
      run((b) => b.batch([[handle, 1, 3]])),
      /position 3 of sequence \d+, which has 0/u,
    )
    t.throws(
      run((b) => b.batch([[9999, 1, 0]])),
      /there is no sequence 9999/u,
    )
    t.throws(() => engine.readTokens(63, new Int32Array(1)), /register 63 holds nothing/u)
    t.equal(engine.kvLength(handle), 0, "a refused step leaves the sequence as it was")
    t.ok(lastLogits(model, handle, PROMPT).every(Number.isFinite))
    engine.kvClose(handle)
    t.throws(() => engine.kvClose(handle), /there is no sequence/u)
  })

  t.test(`${name}: random words are refused or run, and never break the process`, async (t) => {
    const handle = engine.kvOpen(store)
    const random = seeded(3)
    const valid = new CommandBuffer()
    valid.batch([[handle, 3, 0]])
    const hidden = model.forward(valid, valid.tokens(Int32Array.of(1, 2, 3), NONE))
    valid.sample(0, 1, model.logits(valid, valid.rows(hidden, Int32Array.of(2))), sampleWords(3, { temperature: 1 }))
    valid.evaluate([0])
    let refused = 0
    for (let round = 0; round < 1500; round++) {
      const tape = valid.tape.slice(0, valid.length)
      for (let changes = 0; changes < 3; changes++) {
        const at = Math.floor(((random() + 1) / 2) * tape.length)
        tape[at] = random() < 0 ? Math.floor((random() + 1) * 40) - 2 : random() * 2 ** 31
      }
      try {
        engine.exec(tape, tape.length)
        engine.readTokens(0, new Int32Array(1))
      } catch {
        refused++
      }
      if (engine.kvLength(handle) > 64) engine.kvTruncate(handle, 0)
    }
    t.ok(refused > 0)
    engine.kvTruncate(handle, 0)
    t.ok(lastLogits(model, handle, PROMPT).every(Number.isFinite), "a good buffer still runs")
    engine.kvClose(handle)
  })

  t.test(`${name}: a full KV store refuses the step and keeps what it had`, async (t) => {
    const small = openRandomModel(folder, { executor: name === "MLX" ? "mlx" : "auto" }, 1 << 17)
    const handle = small.engine.kvOpen(small.store)
    const other = small.engine.kvOpen(small.store)
    const { blocksTotal, blockPositions } = small.engine.kvStats(small.store)
    const room = blocksTotal * blockPositions
    const expected = lastLogits(small, handle, PROMPT)
    t.throws(
      () =>
        lastLogits(
          small,
          other,
          Array.from({ length: room + 1 }, () => 1),
        ),
      /full|no .*block|capacity/iu,
    )
    t.equal(small.engine.kvLength(other), 0)
    const fork = small.engine.kvFork(handle, PROMPT.length - 1)
    small.engine.kvTruncate(handle, PROMPT.length - 1)
    small.engine.kvClose(fork)
    t.ok(largestDifference(lastLogits(small, handle, PROMPT.slice(-1)), expected) < 1e-4)
    small.engine.close()
  })
}

t.test("a closed engine says so, and closing again is nothing", async (t) => {
  const { engine, store } = openRandomModel(folder, {})
  engine.close()
  engine.close()
  t.throws(() => engine.kvOpen(store), /the engine is closed/u)
})
