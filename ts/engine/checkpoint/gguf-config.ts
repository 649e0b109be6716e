// GGUF metadata -> ModelConfig. Keys are those of llama.cpp's gguf-py constants (<architecture>.*). Knows no files.

import { EngineError } from "../errors.ts"
import { CONFIG_BOUNDS, type ConfigFields, configFields, isJsonObject, type JsonObject } from "./config-fields.ts"
import { familyOf } from "./families.ts"
import type { ModelConfig, MoeConfig } from "./model-config.ts"

export interface TensorShape {
  readonly name: string
  readonly shape: readonly number[]
}

/** What the metadata leaves to the tensors: vocabulary, bias, tied embeddings. */
export function modelConfigFromGguf(json: unknown, tensors: readonly TensorShape[], source: string): ModelConfig {
  if (!isJsonObject(json)) throw new EngineError("model_unreadable", `${source}: expected GGUF metadata.`)
  const fields = configFields(json, source)
  const arch = fields.text("general.architecture")
  const family = familyOf(arch, source)
  const names = new Set(tensors.map((tensor) => tensor.name))
  const hiddenSize = fields.integer(`${arch}.embedding_length`, CONFIG_BOUNDS.hidden)
  const layers = fields.integer(`${arch}.block_count`, CONFIG_BOUNDS.layers)
  const queryHeads = fields.integer(`${arch}.attention.head_count`, CONFIG_BOUNDS.heads)
  const kvHeads = fields.integer(`${arch}.attention.head_count_kv`, CONFIG_BOUNDS.heads, queryHeads)
  if (queryHeads % kvHeads !== 0) throw fields.wrong(`${arch}.attention.head_count_kv`, `a divisor of ${queryHeads}`)
  const headDim = fields.integer(
    `${arch}.attention.key_length`,
    CONFIG_BOUNDS.headDim,
    fields.integer(`${arch}.rope.dimension_count`, CONFIG_BOUNDS.headDim, Math.floor(hiddenSize / queryHeads)),
  )
  const moeConfig = family === "qwen3_moe" ? moe(fields, arch) : null
  return {
    family,
    hiddenSize,
    layers,
    queryHeads,
    kvHeads,
    headDim,
    intermediateSize: fields.integer(
      `${arch}.feed_forward_length`,
      CONFIG_BOUNDS.intermediate,
      moeConfig?.intermediateSize,
    ),
    vocabularySize: fields.integer(`${arch}.vocab_size`, CONFIG_BOUNDS.vocabulary, embeddingRows(tensors, hiddenSize)),
    contextLength: fields.integer(`${arch}.context_length`, CONFIG_BOUNDS.context, 2048),
    normEps: fields.number(`${arch}.attention.layer_norm_rms_epsilon`, CONFIG_BOUNDS.eps, 1e-5),
    ropeTheta: fields.number(`${arch}.rope.freq_base`, CONFIG_BOUNDS.ropeTheta, 10000),
    ropeScaling: ropeScaling(fields, arch, names),
    // llama.cpp's converter permutes q and k of this family so that neighbours rotate.
    ropePairs: family === "llama",
    attentionBias: names.has("blk.0.attn_q.bias"),
    mlpBias: names.has("blk.0.ffn_gate.bias"),
    tiedEmbeddings: !names.has("output.weight"),
    slidingWindow: fields.has(`${arch}.attention.sliding_window`)
      ? fields.integer(`${arch}.attention.sliding_window`, CONFIG_BOUNDS.context)
      : null,
    moe: moeConfig,
    quantization: null,
    moduleQuantization: {},
    names: "gguf",
  }
}

/** Rows of token_embd.weight, whichever way round its shape is given; undefined without the tensor. */
function embeddingRows(tensors: readonly TensorShape[], hiddenSize: number): number | undefined {
  const shape = tensors.find((tensor) => tensor.name === "token_embd.weight")?.shape
  return shape === undefined ? undefined : shape.reduce((product, size) => product * size, 1) / hiddenSize
}

/** Llama 3's scaling comes as a tensor of divisors of the frequencies (rope_type "factors"). */
function ropeScaling(fields: ConfigFields, arch: string, names: ReadonlySet<string>): JsonObject | null {
  if (names.has("rope_freqs.weight")) return { rope_type: "factors", tensor: "rope_freqs.weight" }
  const type = fields.text(`${arch}.rope.scaling.type`, "none")
  if (type === "none") return null
  if (type !== "linear" && type !== "yarn") throw fields.wrong(`${arch}.rope.scaling.type`, "none, linear or yarn")
  const factor = fields.number(`${arch}.rope.scaling.factor`, CONFIG_BOUNDS.ropeFactor)
  if (type === "linear") return { rope_type: "linear", factor }
  const key = `${arch}.rope.scaling.original_context_length`
  const original = fields.has(key) ? fields.integer(key, CONFIG_BOUNDS.context) : undefined
  return { rope_type: "yarn", factor, ...(original && { original_max_position_embeddings: original }) }
}

function moe(fields: ConfigFields, arch: string): MoeConfig {
  const experts = fields.integer(`${arch}.expert_count`, { ...CONFIG_BOUNDS.experts, least: 1 })
  return {
    experts,
    expertsPerToken: fields.integer(`${arch}.expert_used_count`, { least: 1, most: experts }),
    intermediateSize: fields.integer(`${arch}.expert_feed_forward_length`, CONFIG_BOUNDS.intermediate),
    renormalize: fields.flag(`${arch}.expert_weights_norm`, true),
    denseLayers: [],
  }
}
