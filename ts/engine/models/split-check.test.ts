// Which numbers of ranks a model of awkward sizes can be split over, and what is said of the others.

import type { TensorInfo } from "mlx-jaccl-rs"
import t from "tap"
import type { ModelConfig } from "../checkpoint/model-config.ts"
import { describeModel } from "./registry.ts"
import { checkSplit } from "./split-check.ts"
import type { RankPosition } from "./weight-plan.ts"

/** Eight heads of 48: the inputs of four are three groups of 64, those of two are one and a half. */
const config: ModelConfig = {
  family: "llama",
  hiddenSize: 256,
  layers: 1,
  queryHeads: 8,
  kvHeads: 4,
  headDim: 48,
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
  quantization: { bits: 4, groupSize: 64, mode: "affine" },
  moduleQuantization: {},
  names: "hf",
}

const SHAPES: Readonly<Record<string, readonly [rows: number, columns: number]>> = {
  "model.embed_tokens": [4096, 256],
  "model.layers.0.self_attn.q_proj": [384, 256],
  "model.layers.0.self_attn.k_proj": [192, 256],
  "model.layers.0.self_attn.v_proj": [192, 256],
  "model.layers.0.self_attn.o_proj": [256, 384],
  "model.layers.0.mlp.gate_proj": [512, 256],
  "model.layers.0.mlp.up_proj": [512, 256],
  "model.layers.0.mlp.down_proj": [256, 512],
}

const info = (name: string, dtype: string, ...shape: number[]): TensorInfo => ({ name, dtype, shape, sizeBytes: 0 })

const tensors: readonly TensorInfo[] = [
  ...["model.norm", "model.layers.0.input_layernorm", "model.layers.0.post_attention_layernorm"].map((name) =>
    info(`${name}.weight`, "F32", 256),
  ),
  ...Object.entries(SHAPES).flatMap(([name, [rows, columns]]) => [
    info(`${name}.weight`, "U32", rows, columns / 8),
    info(`${name}.scales`, "F32", rows, columns / 64),
    info(`${name}.biases`, "F32", rows, columns / 64),
  ]),
]

function check(position: RankPosition, changed: Partial<ModelConfig> = {}): void {
  const catalog = { tensors: () => [...tensors], readVector: () => new Float32Array(0) }
  const plan = (at: RankPosition) => describeModel({ ...config, ...changed }, catalog, { position: at }).plan
  checkSplit(plan, tensors, position)
}

t.test("a model that cannot be split says why, and which numbers of ranks work", async (t) => {
  t.doesNotThrow(() => check({ rank: 0, size: 1 }))
  t.doesNotThrow(() => check({ rank: 1, size: 2 }))
  for (const size of [3, 4])
    t.throws(() => check({ rank: 0, size }), {
      code: "model_unreadable",
      message: new RegExp(
        `cannot be split over ${size} ranks: model\\.layers\\.0\\.self_attn\\.o_proj\\.weight is quantized in groups of 64 inputs, and a rank's share of them would be 0 to 96\\. It runs on 1 or 2 ranks with even shares\\.`,
        "u",
      ),
    })
})

t.test("shares that do not fit are refused where even ones do", async (t) => {
  t.throws(() => check({ rank: 1, size: 2, weights: [3, 1] }), {
    message: /cannot be split over 2 ranks in shares of 3 : 1: .*It runs on 1 or 2 ranks with even shares\./u,
  })
})

t.test("a module of wider groups than the others is split where its groups end", async (t) => {
  const wide = { bits: 4, groupSize: 128, mode: "affine" }
  const down = "model.layers.0.mlp.down_proj"
  const list = tensors.map((one) =>
    one.name === `${down}.scales` || one.name === `${down}.biases` ? { ...one, shape: [256, 4] } : one,
  )
  const catalog = { tensors: () => list, readVector: () => new Float32Array(0) }
  const plan = (position: RankPosition) =>
    describeModel({ ...config, headDim: 48, moduleQuantization: { [down]: wide } }, catalog, { position }).plan
  t.doesNotThrow(() => checkSplit(plan, list, { rank: 0, size: 2, weights: [1, 1.4] }))
})
