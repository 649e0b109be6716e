// OP_ADJUST in both executors against its definition, with tokens that only the device knows.

import t from "tap"
import { CommandBuffer, NONE } from "./command-buffer.ts"
import {
  openMlx,
  openRandomModel,
  type RandomModel,
  sampleWords,
  VOCABULARY,
  writeRandomModel,
} from "./random-model-fixture.ts"

const PROMPTS = [[5, 17, 3, 88], [41], [2, 60, 9]] as const

interface Row {
  readonly repetition: number
  readonly presence: number
  readonly frequency: number
  readonly pending: number
  readonly entries: readonly { token: number; bias: number; count: number; repeated: boolean }[]
}

function wordsOf(rows: readonly Row[]): Int32Array {
  const bits = (value: number): number => new Int32Array(Float32Array.of(value).buffer)[0] ?? 0
  return Int32Array.from(
    rows.flatMap(({ repetition, presence, frequency, pending, entries }) => [
      bits(repetition),
      bits(presence),
      bits(frequency),
      pending,
      entries.length,
      ...entries.flatMap(({ token, bias, count, repeated }) => [token, bits(bias), count, repeated ? 1 : 0]),
    ]),
  )
}

/** The definition, for one row. */
function naive(logits: Float32Array, row: Row, pending: number): Float32Array {
  return logits.map((logit, token) => {
    const entry = row.entries.find((one) => one.token === token)
    const count = (entry?.count ?? 0) + (token === pending ? 1 : 0)
    let value = logit + (entry?.bias ?? 0)
    if (entry?.repeated || token === pending) value = value < 0 ? value * row.repetition : value / row.repetition
    return value - (count > 0 ? row.presence : 0) - row.frequency * count
  })
}

openMlx()
const folder = t.testdir()
writeRandomModel(folder)

for (const executor of ["mlx", "auto"] as const) {
  const model: RandomModel = openRandomModel(folder, { executor })
  const { engine } = model
  t.teardown(() => engine.close())
  const handles = PROMPTS.map(() => engine.kvOpen(model.store))

  t.test(`${executor}: bias and penalties, of tokens known to the host and to the device alone`, async (t) => {
    const buffer = new CommandBuffer()
    buffer.batch(PROMPTS.map((prompt, i) => [handles[i] ?? NONE, prompt.length, 0]))
    const hidden = model.forward(buffer, buffer.tokens(Int32Array.from(PROMPTS.flat()), NONE))
    const last = buffer.rows(hidden, Int32Array.of(3, 4, 7))
    const first = model.logits(buffer, last)
    buffer.sample(0, NONE, first, Int32Array.from([4, 1, 3].flatMap((position) => [...sampleWords(position)])))
    buffer.evaluate([0])
    engine.exec(buffer.tape, buffer.length)

    const sampled = new Int32Array(3)
    engine.readTokens(0, sampled)
    const [a = 0, b = 0, c = 0] = sampled
    const rows: Row[] = [
      {
        repetition: 1.5,
        presence: 0.25,
        frequency: 0.5,
        pending: 0,
        entries: [
          { token: (a + 1) % VOCABULARY, bias: 2, count: 3, repeated: false },
          { token: a, bias: -1, count: 2, repeated: false },
          { token: (a + 2) % VOCABULARY, bias: Number.NEGATIVE_INFINITY, count: 0, repeated: true },
        ],
      },
      { repetition: 1, presence: 0, frequency: 0, pending: NONE, entries: [] },
      // Its pending token has no entry; and it is the token of another row of the step before.
      {
        repetition: 2,
        presence: -1,
        frequency: 0,
        pending: 1,
        entries: [{ token: (b + 1) % VOCABULARY, bias: 0, count: 1, repeated: true }],
      },
    ]
    buffer.reset()
    buffer.batch(PROMPTS.map((prompt, i) => [handles[i] ?? NONE, 1, prompt.length]))
    const raw = model.logits(buffer, model.forward(buffer, buffer.tokens(Int32Array.of(-1, -2, -3), 0)))
    const adjusted = buffer.adjust(raw, 0, 3, wordsOf(rows))
    buffer.evaluate([raw, adjusted])
    engine.exec(buffer.tape, buffer.length)
    const before = new Float32Array(3 * VOCABULARY)
    const after = new Float32Array(3 * VOCABULARY)
    engine.readFloats(raw, before)
    engine.readFloats(adjusted, after)
    for (const [i, row] of rows.entries()) {
      const own = (all: Float32Array): Float32Array => all.subarray(i * VOCABULARY, (i + 1) * VOCABULARY)
      const expected = naive(own(before), row, row.pending < 0 ? NONE : ([a, b, c][row.pending] ?? NONE))
      const wrong = [...own(after)].filter((value, token) => {
        const right = expected[token] ?? Number.NaN
        return !(value === right || Math.abs(value - right) < 1e-5)
      })
      t.same(wrong, [], `row ${i}`)
    }
  })

  t.test(`${executor}: words that name what is not there are refused`, async (t) => {
    const run = (row: Row, previous: number) => () => {
      const buffer = new CommandBuffer()
      const hidden = buffer.embed(buffer.tokens(Int32Array.of(5), NONE), 0, 1)
      buffer.evaluate([buffer.adjust(model.logits(buffer, hidden), previous, 1, wordsOf([row]))])
      engine.exec(buffer.tape, buffer.length)
    }
    const row: Row = { repetition: 1, presence: 0, frequency: 0, pending: NONE, entries: [] }
    const entry = { token: 0, bias: 0, count: 0, repeated: false }
    t.throws(run({ ...row, repetition: 0 }, NONE), /OP_ADJUST .*repetition penalty is not above 0/u)
    t.throws(run({ ...row, pending: 0 }, NONE), /OP_ADJUST .*element 0 of 0 earlier tokens/u)
    t.throws(run({ ...row, pending: 3 }, 0), /OP_ADJUST .*element 3 of 3 earlier tokens/u)
    t.throws(run({ ...row, entries: [{ ...entry, token: VOCABULARY }] }, NONE), /OP_ADJUST .*the token is/u)
    t.throws(run({ ...row, entries: [{ ...entry, count: -1 }] }, NONE), /OP_ADJUST .*the count is -1/u)
    t.doesNotThrow(run({ ...row, entries: [entry] }, NONE))
  })
}
