// OP_MASK in both executors against its definition.

import t from "tap"
import { CommandBuffer, NONE } from "./command-buffer.ts"
import { openMlx, openRandomModel, sampleWords, VOCABULARY, writeRandomModel } from "./random-model-fixture.ts"

const WORDS = Math.ceil(VOCABULARY / 32)

openMlx()
const folder = t.testdir()
writeRandomModel(folder)

for (const executor of ["mlx", "auto"] as const) {
  const model = openRandomModel(folder, { executor })
  const { engine, store } = model
  t.teardown(() => engine.close())

  /** Logits of three rows, and the same masked. */
  function run(rows: readonly number[], masks: Int32Array) {
    const buffer = new CommandBuffer()
    const handles = [5, 17, 3].map(() => engine.kvOpen(store))
    buffer.batch(handles.map((handle) => [handle, 1, 0]))
    const raw = model.logits(buffer, model.forward(buffer, buffer.tokens(Int32Array.of(5, 17, 3), NONE)))
    const masked = buffer.mask(raw, Int32Array.from(rows), masks)
    buffer.sample(0, NONE, masked, Int32Array.from([1, 1, 1].flatMap((position) => [...sampleWords(position)])))
    buffer.evaluate([raw, masked, 0])
    engine.exec(buffer.tape, buffer.length)
    const [before, after] = [new Float32Array(3 * VOCABULARY), new Float32Array(3 * VOCABULARY)]
    const tokens = new Int32Array(3)
    engine.readFloats(raw, before)
    engine.readFloats(masked, after)
    engine.readTokens(0, tokens)
    for (const handle of handles) engine.kvClose(handle)
    return { before, after, tokens }
  }

  t.test(`${executor}: named rows lose the tokens without a bit, the others stay`, async (t) => {
    const masks = Int32Array.from({ length: 2 * WORDS }, (_, i) => Math.imul(0x9e3779b9, i + 3))
    const { before, after } = run([0, 2], masks)
    const wrong = [...after.keys()].filter((i) => {
      const [row, token] = [Math.floor(i / VOCABULARY), i % VOCABULARY]
      const mask = row === 1 ? -1 : (masks[(row / 2) * WORDS + (token >> 5)] ?? 0)
      return after[i] !== (((mask >> (token & 31)) & 1) === 1 ? before[i] : Number.NEGATIVE_INFINITY)
    })
    t.same(wrong, [])
  })

  t.test(`${executor}: the only token that is allowed is sampled`, async (t) => {
    const masks = new Int32Array(3 * WORDS)
    const only = [1, 40, VOCABULARY - 1]
    only.forEach((token, row) => (masks[row * WORDS + (token >> 5)] = 1 << (token & 31)))
    t.same([...run([0, 1, 2], masks).tokens], only)
  })

  t.test(`${executor}: a row without any token, or named twice, is refused`, async (t) => {
    t.throws(() => run([1], new Int32Array(WORDS)), /OP_MASK .*row 1 allows no token/)
    t.throws(() => run([1, 1], new Int32Array(2 * WORDS).fill(-1)), /OP_MASK .*row 1 comes after row 1/)
    t.throws(() => run([3], new Int32Array(WORDS).fill(-1)), /OP_MASK .*the row is 3/)
  })
}
