import t from "tap"
import { modelConfigFromGguf } from "./gguf-config.ts"

/** SmolLM2-135M-Instruct Q4_1, as its file says it. */
const SMOLLM2 = {
  "general.architecture": "llama",
  "llama.block_count": 30,
  "llama.context_length": 8192,
  "llama.embedding_length": 576,
  "llama.feed_forward_length": 1536,
  "llama.attention.head_count": 9,
  "llama.attention.head_count_kv": 3,
  "llama.rope.freq_base": 100000,
  "llama.attention.layer_norm_rms_epsilon": 9.999999747378752e-6,
  "llama.vocab_size": 49152,
  "llama.rope.dimension_count": 64,
}
const EMBEDDING = { name: "token_embd.weight", shape: [576, 49152] }

t.test("the metadata of a llama file becomes the same shape as config.json", async (t) => {
  t.same(modelConfigFromGguf(SMOLLM2, [EMBEDDING], "s.gguf"), {
    family: "llama",
    hiddenSize: 576,
    layers: 30,
    queryHeads: 9,
    kvHeads: 3,
    headDim: 64,
    intermediateSize: 1536,
    vocabularySize: 49152,
    contextLength: 8192,
    normEps: 9.999999747378752e-6,
    ropeTheta: 100000,
    ropeScaling: null,
    ropePairs: true,
    attentionBias: false,
    mlpBias: false,
    tiedEmbeddings: true,
    slidingWindow: null,
    moe: null,
    quantization: null,
    moduleQuantization: {},
    names: "gguf",
  })
})

t.test("what the metadata leaves out is taken from the tensors", async (t) => {
  const { "llama.vocab_size": _, ...rest } = SMOLLM2
  const tensors = [
    EMBEDDING,
    { name: "output.weight", shape: [576, 49152] },
    { name: "rope_freqs.weight", shape: [32] },
  ]
  t.match(modelConfigFromGguf(rest, tensors, "s.gguf"), {
    vocabularySize: 49152,
    tiedEmbeddings: false,
    ropeScaling: { rope_type: "factors", tensor: "rope_freqs.weight" },
  })
  t.throws(() => modelConfigFromGguf(rest, [], "s.gguf"), { message: /s.gguf: "llama.vocab_size" is missing/ })
})

t.test("a qwen2 file has biases where its tensors say so and does not rotate neighbours", async (t) => {
  const qwen2 = Object.fromEntries(
    Object.entries(SMOLLM2).map(([key, value]) => [key.replace("llama.", "qwen2."), value]),
  )
  const tensors = [EMBEDDING, { name: "blk.0.attn_q.bias", shape: [576] }]
  const config = modelConfigFromGguf({ ...qwen2, "general.architecture": "qwen2" }, tensors, "q.gguf")
  t.match(config, { family: "qwen2", ropePairs: false, attentionBias: true })
})

t.test("bad metadata is refused with the key", async (t) => {
  const refused = (change: Record<string, unknown>, message: RegExp): void => {
    t.throws(() => modelConfigFromGguf({ ...SMOLLM2, ...change }, [EMBEDDING], "s.gguf"), {
      code: "model_unreadable",
      message,
    })
  }
  refused({ "general.architecture": "bert" }, /"bert" is not supported/)
  refused({ "llama.block_count": -3 }, /"llama.block_count" is -3/)
  refused({ "llama.attention.head_count": 1e12 }, /"llama.attention.head_count" is 1000000000000/)
  refused({ "llama.rope.scaling.type": "su" }, /expected none, linear or yarn/)
})
