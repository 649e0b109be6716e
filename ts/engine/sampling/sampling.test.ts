import t from "tap"
import { SampleWord } from "../models/index.ts"
import { alternatives } from "./alternatives.ts"
import { sampleTemplate, writeSampleRow } from "./sample-row.ts"

const greedy = { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 0n, ignoreEos: false }

t.test("parameters become words, the seed both halves, top_k beyond the vocabulary off", async (t) => {
  const words = sampleTemplate({ ...greedy, temperature: 0.5, topK: 5000, seed: 0x1_8000_0002n }, 4096)
  t.equal(new Float32Array(words.buffer)[SampleWord.TEMPERATURE], 0.5)
  t.equal(words[SampleWord.TOP_K], 0)
  t.equal(words[SampleWord.SEED_LOW], 0x80000002 | 0)
  t.equal(words[SampleWord.SEED_HIGH], 1)
  const rows = new Int32Array(2 * SampleWord.WORDS)
  writeSampleRow(rows, 1, words, 77)
  t.equal(rows[SampleWord.WORDS + SampleWord.POSITION], 77)
  t.equal(rows[SampleWord.WORDS + SampleWord.SEED_HIGH], 1)
})

const shaping = { typicalP: 0.5, xtcProbability: 0.25, xtcThreshold: 0.125, exemptIds: [10] }

t.test("XTC spares line breaks and the tokens that end a turn, as many as there is room for", async (t) => {
  const words = sampleTemplate({ ...greedy, shaping }, 4096, [2, 3])
  const floats = new Float32Array(words.buffer)
  t.equal(floats[SampleWord.TYPICAL_P], 0.5)
  t.equal(floats[SampleWord.XTC_PROBABILITY], 0.25)
  t.equal(floats[SampleWord.XTC_THRESHOLD], 0.125)
  t.same([...words.subarray(SampleWord.EXEMPT)], [10, 2, 3, -1, -1, -1])
  const many = sampleTemplate({ ...greedy, shaping }, 4096, [2, 3, 4, 5, 6, 7, 8])
  t.same([...many.subarray(SampleWord.EXEMPT)], [10, 2, 3, 4, 5, 6])
  t.equal(new Float32Array(sampleTemplate(greedy, 4096).buffer)[SampleWord.TYPICAL_P], 1, "off unless asked")
})

t.test("what is out of range is refused by name", async (t) => {
  for (const [wrong, param] of [
    [{ temperature: -1 }, "temperature"],
    [{ temperature: Number.NaN }, "temperature"],
    [{ topP: 1.5 }, "top_p"],
    [{ minP: -0.1 }, "min_p"],
    [{ topK: -1 }, "top_k"],
    [{ shaping: { ...shaping, typicalP: 1.1 } }, "typical_p"],
    [{ shaping: { ...shaping, xtcProbability: -1 } }, "xtc_probability"],
    [{ shaping: { ...shaping, xtcThreshold: 0.6 } }, "xtc_threshold"],
  ] as const) {
    t.throws(() => sampleTemplate({ ...greedy, ...wrong }, 4096), { code: "invalid_request", param })
  }
})

t.test("alternatives are the best tokens in order, with normalised log-probabilities", async (t) => {
  const logits = Float32Array.of(1, 3, 2, 3, -5)
  const { best, logprob: chosen } = alternatives(logits, 3, 1)
  t.same(
    best.map(({ id }) => id),
    [1, 3, 2],
  )
  t.equal(chosen, best[0]?.logprob, "the chosen token's is the one in the list")
  const all = alternatives(logits, 99, 0).best
  t.equal(all.length, 5)
  t.ok(Math.abs(all.reduce((sum, { logprob }) => sum + Math.exp(logprob), 0) - 1) < 1e-9)
})
