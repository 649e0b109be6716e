// Typical sampling and XTC on real logits: what is drawn is what their definitions keep, in both executors.

import t from "tap"
import { CommandBuffer, NONE, SampleWord } from "./command-buffer.ts"
import { openMlx, openRandomModel, sampleWords, VOCABULARY, writeRandomModel } from "./random-model-fixture.ts"

openMlx()
const folder = t.testdir()
writeRandomModel(folder)
const own = openRandomModel(folder, { executor: "auto" })
const mlx = openRandomModel(folder, { executor: "mlx" })
t.teardown(() => {
  own.engine.close()
  mlx.engine.close()
})

const DRAWS = 600

interface Shaping {
  readonly topP?: number
  readonly typicalP?: number
  readonly xtcProbability?: number
  readonly xtcThreshold?: number
  readonly exempt?: readonly number[]
}

/** Logits of one position, and tokens drawn from them at as many later positions. */
function draw(model: typeof own, shaping: Shaping): { logits: Float32Array; tokens: Int32Array } {
  const { engine, store } = model
  const handle = engine.kvOpen(store)
  const buffer = new CommandBuffer()
  buffer.batch([[handle, 4, 0]])
  const hidden = model.forward(buffer, buffer.tokens(Int32Array.of(5, 17, 3, 88), NONE))
  const scaled = buffer.scale(model.logits(buffer, buffer.rows(hidden, new Int32Array(DRAWS).fill(3))), 0.15)
  const words = new Int32Array(DRAWS * SampleWord.WORDS)
  for (let i = 0; i < DRAWS; i++) {
    const row = sampleWords(i, { temperature: 1, topP: shaping.topP ?? 1, seed: 9 })
    const floats = new Float32Array(row.buffer)
    floats[SampleWord.TYPICAL_P] = shaping.typicalP ?? 1
    floats[SampleWord.XTC_PROBABILITY] = shaping.xtcProbability ?? 0
    floats[SampleWord.XTC_THRESHOLD] = shaping.xtcThreshold ?? 0
    row.fill(-1, SampleWord.EXEMPT, SampleWord.WORDS)
    row.set(shaping.exempt ?? [], SampleWord.EXEMPT)
    words.set(row, i * SampleWord.WORDS)
  }
  buffer.sample(0, NONE, scaled, words)
  buffer.evaluate([0, scaled])
  engine.exec(buffer.tape, buffer.length)
  const all = new Float32Array(VOCABULARY * DRAWS)
  const tokens = new Int32Array(DRAWS)
  engine.readFloats(scaled, all)
  engine.readTokens(0, tokens)
  engine.kvClose(handle)
  return { logits: all.subarray(0, VOCABULARY), tokens }
}

function sharesOf(logits: Float32Array): number[] {
  const max = Math.max(...logits)
  const masses = Array.from(logits, (l) => Math.exp(l - max))
  const total = masses.reduce((a, b) => a + b, 0)
  return masses.map((mass) => mass / total)
}

/** Tokens by their place in `order` until they hold `limit`. */
function until(limit: number, order: readonly number[], shares: readonly number[]): Set<number> {
  const kept = new Set<number>()
  let mass = 0
  for (const id of order) {
    if (kept.size > 0 && mass >= limit) break
    kept.add(id)
    mass += shares[id] ?? 0
  }
  return kept
}

const ids = Array.from({ length: VOCABULARY }, (_, id) => id)

function typical(shares: readonly number[], p: number): Set<number> {
  const entropy = shares.reduce((sum, share) => sum - share * Math.log(share), 0)
  const distance = (id: number) => Math.abs(-Math.log(shares[id] ?? 0) - entropy)
  return until(
    p,
    [...ids].sort((a, b) => distance(a) - distance(b) || a - b),
    shares,
  )
}

const drawn = (tokens: Int32Array): Set<number> => new Set(tokens)

t.test("typical_p draws the least surprising tokens and no others, in both executors", async (t) => {
  for (const typicalP of [0.3, 0.7, 0.95]) {
    const { logits, tokens } = draw(own, { typicalP })
    const kept = typical(sharesOf(logits), typicalP)
    t.ok(kept.size < VOCABULARY && kept.size > 1, `${typicalP} keeps ${kept.size} of ${VOCABULARY}`)
    t.same(
      [...drawn(tokens)].filter((id) => !kept.has(id)),
      [],
      "nothing else is drawn",
    )
    t.ok(drawn(tokens).size > kept.size * 0.8, "and nearly all of them are")
    t.same(draw(mlx, { typicalP }).tokens, tokens)
  }
})

t.test("typical_p and top_p together keep what both keep", async (t) => {
  const { logits, tokens } = draw(own, { typicalP: 0.8, topP: 0.8 })
  const shares = sharesOf(logits)
  const byTypical = typical(shares, 0.8)
  const byTop = until(
    0.8,
    [...ids].sort((a, b) => (shares[b] ?? 0) - (shares[a] ?? 0)),
    shares,
  )
  t.same(
    [...drawn(tokens)].filter((id) => !byTypical.has(id) || !byTop.has(id)),
    [],
  )
  t.same(draw(mlx, { typicalP: 0.8, topP: 0.8 }).tokens, tokens)
})

t.test("XTC drops all top choices but the least likely, never an exempt token, and as often as asked", async (t) => {
  const plain = draw(own, {})
  const shares = sharesOf(plain.logits)
  const xtcThreshold = 0.02
  const top = ids.filter((id) => (shares[id] ?? 0) > xtcThreshold).sort((a, b) => (shares[b] ?? 0) - (shares[a] ?? 0))
  t.ok(top.length > 3, `${top.length} top choices`)
  const [first = 0] = top
  const gone = top.slice(0, -1)

  const always = draw(own, { xtcProbability: 1, xtcThreshold })
  t.same(
    gone.filter((id) => drawn(always.tokens).has(id)),
    [],
  )
  t.ok(drawn(always.tokens).has(top.at(-1) ?? -1), "the least likely top choice stays")
  t.same(draw(mlx, { xtcProbability: 1, xtcThreshold }).tokens, always.tokens)

  const spared = draw(own, { xtcProbability: 1, xtcThreshold, exempt: [first] })
  t.ok(drawn(spared.tokens).has(first), "an exempt token stays")
  t.same(draw(mlx, { xtcProbability: 1, xtcThreshold, exempt: [first] }).tokens, spared.tokens)

  const half = draw(own, { xtcProbability: 0.5, xtcThreshold })
  const changed = half.tokens.filter((token, i) => token !== plain.tokens[i]).length
  const changedAlways = always.tokens.filter((token, i) => token !== plain.tokens[i]).length
  t.ok(Math.abs(changed / changedAlways - 0.5) < 0.12, `${changed} of ${changedAlways} draws differ`)
  half.tokens.forEach((token, i) => {
    if (token !== plain.tokens[i] && token !== always.tokens[i]) t.fail("a draw is neither with nor without XTC")
  })
  t.same(draw(own, { xtcProbability: 1, xtcThreshold: 0.5 }).tokens, plain.tokens, "no top choice: nothing changes")
})
