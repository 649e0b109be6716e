import t from "tap"
import { samplingOf } from "./generation-fields.ts"

t.test("where a request is silent the model's own sampling holds, and then OpenAI's", async (t) => {
  const model = { defaults: { temperature: 0.6, topP: 0.95, topK: 20, minP: 0.1 } }
  t.match(samplingOf({}, model), { temperature: 0.6, topP: 0.95, topK: 20, minP: 0.1 })
  t.match(samplingOf({ temperature: null, top_k: null }, model), { temperature: 0.6, topK: 20 })
  t.match(samplingOf({ temperature: 1, top_p: 1, top_k: -1, min_p: 0 }, model), {
    temperature: 1,
    topP: 1,
    topK: 0,
    minP: 0,
  })
  t.match(samplingOf({}, {}), { temperature: 1, topP: 1, topK: 0, minP: 0 })
})

t.test("a model that does not sample is greedy until a request asks for more", async (t) => {
  const model = { defaults: { temperature: 0, topP: 0 } }
  t.match(samplingOf({}, model), { temperature: 0, topP: 1 })
  t.equal(samplingOf({ temperature: 0.5 }, model).temperature, 0.5)
})
