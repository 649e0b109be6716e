import t from "tap"
import { samplingOf } from "./generation-fields.ts"

t.test("where a request is silent the model's own sampling holds, and then OpenAI's", async (t) => {
  const model = { vocabularySize: 50, defaults: { temperature: 0.6, topP: 0.95, topK: 20, minP: 0.1 } }
  t.match(samplingOf({}, model), { temperature: 0.6, topP: 0.95, topK: 20, minP: 0.1 })
  t.match(samplingOf({ temperature: null, top_k: null }, model), { temperature: 0.6, topK: 20 })
  t.match(samplingOf({ temperature: 1, top_p: 1, top_k: -1, min_p: 0 }, model), {
    temperature: 1,
    topP: 1,
    topK: 0,
    minP: 0,
  })
  t.match(samplingOf({}, { vocabularySize: 50 }), { temperature: 1, topP: 1, topK: 0, minP: 0 })
})

t.test("a model that does not sample is greedy until a request asks for more", async (t) => {
  const model = { vocabularySize: 50, defaults: { temperature: 0, topP: 0 } }
  t.match(samplingOf({}, model), { temperature: 0, topP: 1 })
  t.equal(samplingOf({ temperature: 0.5 }, model).temperature, 0.5)
})

t.test("penalties, bias and the least length come with their request, repetition from the model too", async (t) => {
  const model = { vocabularySize: 50 }
  t.equal(samplingOf({ repetition_penalty: 0, presence_penalty: 0, logit_bias: {} }, model).adjustments, undefined)
  const fields = { repetition_penalty: 1.2, frequency_penalty: -0.5, min_tokens: 3, logit_bias: { 7: -100, 49: 1 } }
  t.same(samplingOf(fields, model).adjustments, {
    repetitionPenalty: 1.2,
    repetitionContext: 20,
    presencePenalty: 0,
    frequencyPenalty: -0.5,
    minTokens: 3,
    logitBias: [
      [7, -100],
      [49, 1],
    ],
  })
  const repeats = { ...model, defaults: { repetitionPenalty: 1.05 } }
  t.match(samplingOf({ repetition_context_size: 64 }, repeats).adjustments, {
    repetitionPenalty: 1.05,
    repetitionContext: 64,
  })
  t.equal(samplingOf({ repetition_penalty: 1 }, repeats).adjustments, undefined, "the request's word holds")
})

t.test("a bias of what is no token is refused by name", async (t) => {
  for (const key of ["50", "-1", "1.5", "x", ""])
    t.throws(() => samplingOf({ logit_bias: { [key]: 1 } }, { vocabularySize: 50 }), {
      code: "invalid_value",
      param: "logit_bias",
    })
})

t.test("typical_p and XTC travel together, and only where one of them acts", async (t) => {
  const model = { vocabularySize: 50 }
  t.equal(samplingOf({ typical_p: 1, xtc_probability: 0, xtc_threshold: 0.2 }, model).shaping, undefined)
  t.match(samplingOf({ typical_p: 0.9 }, model).shaping, { typicalP: 0.9, xtcProbability: 0 })
  t.match(samplingOf({ xtc_probability: 0.5 }, model).shaping, { typicalP: 1, xtcProbability: 0.5, xtcThreshold: 0.1 })
})
