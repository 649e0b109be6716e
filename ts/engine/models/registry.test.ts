import t from "tap"
import type { TensorInfo } from "mlx-jaccl-rs"
import type { ModelConfig } from "../checkpoint/model-config.ts"
import { CommandBuffer, Op } from "./command-buffer.ts"
import { describeModel } from "./registry.ts"
import { weightSource } from "./weight-loader.ts"

const config: ModelConfig = {
  family: "qwen3",
  hiddenSize: 256,
  layers: 2,
  queryHeads: 8,
  kvHeads: 4,
  headDim: 64,
  intermediateSize: 512,
  vocabularySize: 4096,
  contextLength: 4096,
  normEps: 1e-6,
  ropeTheta: 1e6,
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
}

function info(name: string, ...shape: number[]): TensorInfo {
  return { name, dtype: "BF16", shape, sizeBytes: 2 * shape.reduce((a, b) => a * b, 1) }
}

function tensors(): TensorInfo[] {
  const layers = [0, 1].flatMap((layer) => {
    const at = (name: string, ...shape: number[]): TensorInfo => info(`model.layers.${layer}.${name}.weight`, ...shape)
    return [
      at("input_layernorm", 256),
      at("post_attention_layernorm", 256),
      at("self_attn.q_proj", 512, 256),
      at("self_attn.k_proj", 256, 256),
      at("self_attn.v_proj", 256, 256),
      at("self_attn.o_proj", 256, 512),
      at("self_attn.q_norm", 64),
      at("self_attn.k_norm", 64),
      at("mlp.gate_proj", 512, 256),
      at("mlp.up_proj", 512, 256),
      at("mlp.down_proj", 256, 512),
    ]
  })
  return [info("model.embed_tokens.weight", 4096, 256), info("model.norm.weight", 256), ...layers]
}

const catalog = (list: TensorInfo[]) => ({ tensors: () => list, readVector: () => new Float32Array(0) })

t.test("q|k|v and gate|up are joined, and every tensor is asked for once", async (t) => {
  const { plan } = describeModel(config, catalog(tensors()))
  const names = plan.weights.flatMap((weight) => weight.parts.map((part) => part.name))
  t.same(
    names.sort(),
    tensors()
      .map((tensor) => tensor.name)
      .sort(),
  )
  const joined = plan.weights.filter((weight) => weight.parts.length > 1).map((weight) => weight.parts.length)
  t.same(joined, [3, 2, 3, 2])
})

t.test("a missing, a misshapen and an unknown tensor are named", async (t) => {
  const without = tensors().filter((tensor) => !tensor.name.includes("layers.1.self_attn.k_proj"))
  t.throws(() => describeModel(config, catalog(without)), /lack the tensor model.layers.1.self_attn.k_proj.weight/)
  const wrong = tensors().map((tensor) => (tensor.name === "model.norm.weight" ? info(tensor.name, 128) : tensor))
  t.throws(() => describeModel(config, catalog(wrong)), /model.norm.weight has shape \[128\], not \[256\]/)
  const more = [...tensors(), info("model.layers.2.mlp.up_proj.weight", 1, 1)]
  t.throws(() => describeModel(config, catalog(more)), /does not have: model.layers.2.mlp.up_proj.weight/)
  const ignored = [
    ...tensors(),
    info("lm_head.weight", 4096, 256),
    info("model.layers.0.self_attn.rotary_emb.inv_freq", 32),
  ]
  t.doesNotThrow(() => describeModel(config, catalog(ignored)))
})

t.test("formats that differ within q|k|v become products that are concatenated", async (t) => {
  const quantization = { bits: 4, groupSize: 64, mode: "affine" }
  const v = "model.layers.0.self_attn.v_proj"
  const list = tensors().map((tensor) => (tensor.name === `${v}.weight` ? info(tensor.name, 256, 32) : tensor))
  list.push(info(`${v}.scales`, 256, 4), info(`${v}.biases`, 256, 4))
  const mixed = { ...config, quantization }
  const { model, plan } = describeModel(mixed, catalog(list))
  t.same(
    plan.weights.filter((weight) => weight.quantization !== null).map((weight) => weight.parts[0]?.name),
    [`${v}.weight`],
  )
  const buffer = new CommandBuffer()
  model.forward(buffer, buffer.tokens(Int32Array.of(1), -1))
  const words = [...buffer.tape.subarray(0, buffer.length)]
  t.ok(words.includes(Op.CONCAT))
})

t.test("over two ranks, heads and outputs are split by rows and sums by columns", async (t) => {
  const position = { rank: 1, size: 2 }
  const { model, plan } = describeModel(config, catalog(tensors()), { position })
  const of = (name: string) =>
    plan.weights
      .map((weight) => weightSource(weight, position))
      .flatMap((source) => source.parts)
      .find((part) => part.name === `model.layers.0.${name}.weight`)
  t.match(of("self_attn.q_proj"), { rowStart: 256, rowEnd: 512, columnStart: 0, columnEnd: -1 })
  t.match(of("self_attn.k_proj"), { rowStart: 128, rowEnd: 256 })
  t.match(of("self_attn.o_proj"), { rowStart: 0, rowEnd: 256, columnStart: 256, columnEnd: 512 })
  t.match(of("mlp.up_proj"), { rowStart: 256, rowEnd: 512 })
  t.match(of("self_attn.q_norm"), { rowStart: 0, rowEnd: 64 })
  const buffer = new CommandBuffer()
  model.forward(buffer, buffer.tokens(Int32Array.of(1), -1))
  t.ok(buffer.tape.subarray(0, buffer.length).includes(Op.ALL_SUM))
})
