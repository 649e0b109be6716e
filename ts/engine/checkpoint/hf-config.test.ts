import { readFileSync } from "node:fs"
import t from "tap"
import { EngineError } from "../errors.ts"
import { modelConfigFromHf } from "./hf-config.ts"

const fixture = (name: string): Record<string, unknown> =>
  JSON.parse(readFileSync(new URL(`../../../../fixtures/${name}/config.json`, import.meta.url), "utf8"))

const LLAMA = {
  model_type: "llama",
  hidden_size: 576,
  num_hidden_layers: 30,
  num_attention_heads: 9,
  num_key_value_heads: 3,
  intermediate_size: 1536,
  vocab_size: 49152,
}

function refusal(json: unknown): string {
  try {
    modelConfigFromHf(json, "m/config.json", false)
  } catch (error) {
    if (error instanceof EngineError && error.code === "model_unreadable") return error.message
    throw error
  }
  throw new Error("was accepted")
}

t.test("the bundled qwen3 is read with every field", async (t) => {
  t.same(modelConfigFromHf(fixture("tiny-qwen3"), "c", false), {
    family: "qwen3",
    hiddenSize: 256,
    layers: 8,
    queryHeads: 8,
    kvHeads: 4,
    headDim: 64,
    intermediateSize: 512,
    vocabularySize: 4096,
    contextLength: 4096,
    normEps: 1e-6,
    ropeTheta: 1000000,
    ropeScaling: null,
    ropePairs: false,
    attentionBias: false,
    mlpBias: false,
    tiedEmbeddings: true,
    slidingWindow: null,
    moe: null,
    quantization: null,
    moduleQuantization: {},
    names: "hf",
  })
})

t.test("the bundled mixture of experts keeps its router facts", async (t) => {
  t.match(modelConfigFromHf(fixture("tiny-qwen3-moe"), "c", false).moe, {
    experts: 8,
    expertsPerToken: 2,
    intermediateSize: 128,
    renormalize: true,
    denseLayers: [],
  })
  const sparse = { ...fixture("tiny-qwen3-moe"), decoder_sparse_step: 2, mlp_only_layers: [1] }
  t.same(modelConfigFromHf(sparse, "c", false).moe?.denseLayers, [0, 1, 2, 4], "sparse step and listed layers")
})

t.test("absent fields take the family's defaults", async (t) => {
  const llama = modelConfigFromHf(LLAMA, "c", true)
  t.match(llama, { headDim: 64, ropeTheta: 10000, attentionBias: false, tiedEmbeddings: false })
  t.match(modelConfigFromHf({ ...LLAMA, model_type: "mistral", sliding_window: 4096 }, "c", true), {
    family: "llama",
    slidingWindow: 4096,
  })
  t.match(modelConfigFromHf({ ...LLAMA, model_type: "qwen2", sliding_window: 4096 }, "c", true), {
    attentionBias: true,
    slidingWindow: null,
  })
  t.equal(modelConfigFromHf(LLAMA, "c", false).tiedEmbeddings, true, "no output matrix in the weights")
})

t.test("rope scaling has one spelling", async (t) => {
  const scaled = { ...LLAMA, rope_scaling: { type: "linear", factor: 2 } }
  t.match(modelConfigFromHf(scaled, "c", true).ropeScaling, { rope_type: "linear", factor: 2 })
  const newer = { ...LLAMA, rope_parameters: { rope_type: "default", rope_theta: 5000 } }
  t.match(modelConfigFromHf(newer, "c", true), { ropeScaling: null, ropeTheta: 5000 })
  t.match(refusal({ ...LLAMA, rope_scaling: { type: "spiral" } }), /rope_type.*spiral|rope_type.*expected one of/)
})

t.test("MLX quantization is read with its exceptions", async (t) => {
  const quantization = {
    bits: 4,
    group_size: 64,
    "model.layers.0.mlp.down_proj": { bits: 8, group_size: 32 },
    lm_head: false,
  }
  const config = modelConfigFromHf({ ...LLAMA, quantization }, "c", true)
  t.same(config.quantization, { bits: 4, groupSize: 64, mode: "affine" })
  t.same(config.moduleQuantization, {
    "model.layers.0.mlp.down_proj": { bits: 8, groupSize: 32, mode: "affine" },
    lm_head: false,
  })
  t.match(refusal({ ...LLAMA, quantization_config: { quant_method: "awq" } }), /"awq" are not supported/)
  t.match(refusal({ ...LLAMA, quantization: { bits: 7, group_size: 64 } }), /"bits" is 7; expected one of/)
})

t.test("an unknown family is refused by name, with the list of known ones", async (t) => {
  t.match(refusal({ ...LLAMA, model_type: "mamba" }), /"mamba" is not supported.*llama, qwen2, qwen3, qwen3_moe/)
  t.match(refusal({}), /"model_type" is missing/)
  t.match(refusal([]), /expected a JSON object/)
})

t.test("a number that is no number, not finite or out of bounds is refused with file and field", async (t) => {
  for (const bad of ["8", -1, 0, 1.5, 1e30, Number.NaN, Number.POSITIVE_INFINITY, [], {}])
    t.match(refusal({ ...LLAMA, hidden_size: bad }), /^m\/config.json: "hidden_size" is .*; expected a whole number/)
  t.match(refusal({ ...LLAMA, rms_norm_eps: -1 }), /"rms_norm_eps" is -1/)
  t.match(refusal({ ...LLAMA, num_key_value_heads: 2 }), /expected a divisor of 9/)
  t.match(refusal({ ...LLAMA, tie_word_embeddings: "no" }), /expected true or false/)
})
