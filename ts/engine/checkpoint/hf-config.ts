// config.json of a Hugging Face or MLX folder -> ModelConfig. Field names are transformers'. Knows no files.

import { EngineError } from "../errors.ts"
import { CONFIG_BOUNDS, type ConfigFields, configFields, isJsonObject, type JsonObject } from "./config-fields.ts"
import { type Family, familyOf } from "./families.ts"
import type { ModelConfig, MoeConfig, QuantizationConfig } from "./model-config.ts"

const BITS = [2, 3, 4, 5, 6, 8]
const GROUP_SIZES = [16, 32, 64, 128]
const MODES = ["affine", "mxfp4"]

/** Rope kinds of ts/engine/layers. */
const ROPE_TYPES = ["default", "linear", "dynamic", "llama3", "yarn", "longrope"]

/** `hasHead`: the weights hold a separate output matrix, which decides where the file does not say. */
export function modelConfigFromHf(json: unknown, source: string, hasHead: boolean): ModelConfig {
  if (!isJsonObject(json)) throw new EngineError("model_unreadable", `${source}: expected a JSON object.`)
  const fields = configFields(json, source)
  const family = familyOf(fields.text("model_type"), source)
  const hiddenSize = fields.integer("hidden_size", CONFIG_BOUNDS.hidden)
  const layers = fields.integer("num_hidden_layers", CONFIG_BOUNDS.layers)
  const queryHeads = fields.integer("num_attention_heads", CONFIG_BOUNDS.heads)
  const kvHeads = fields.integer("num_key_value_heads", CONFIG_BOUNDS.heads, queryHeads)
  if (queryHeads % kvHeads !== 0) throw fields.wrong("num_key_value_heads", `a divisor of ${queryHeads}`)
  return {
    family,
    hiddenSize,
    layers,
    queryHeads,
    kvHeads,
    headDim: headDim(fields, family, hiddenSize, queryHeads),
    intermediateSize: fields.integer("intermediate_size", CONFIG_BOUNDS.intermediate),
    vocabularySize: fields.integer("vocab_size", CONFIG_BOUNDS.vocabulary),
    contextLength: fields.integer("max_position_embeddings", CONFIG_BOUNDS.context, 2048),
    normEps: fields.number("rms_norm_eps", CONFIG_BOUNDS.eps, 1e-6),
    ropeTheta: ropeTheta(fields),
    ropeScaling: ropeScaling(fields),
    ropePairs: fields.flag("rope_traditional", false),
    attentionBias: fields.flag("attention_bias", family === "qwen2"),
    mlpBias: fields.flag("mlp_bias", false),
    tiedEmbeddings: fields.flag("tie_word_embeddings", !hasHead),
    slidingWindow: slidingWindow(fields, family),
    moe: family === "qwen3_moe" ? moe(fields, layers) : null,
    ...quantization(fields, source),
    names: "hf",
  }
}

function headDim(fields: ConfigFields, family: Family, hiddenSize: number, queryHeads: number): number {
  if (fields.has("head_dim")) return fields.integer("head_dim", CONFIG_BOUNDS.headDim)
  if (family === "qwen3" || family === "qwen3_moe") return 128
  if (hiddenSize % queryHeads !== 0) throw fields.wrong("num_attention_heads", `a divisor of ${hiddenSize}`)
  return hiddenSize / queryHeads
}

/** Newer files keep the base inside rope_parameters. */
function ropeTheta(fields: ConfigFields): number {
  const inner = fields.object["rope_parameters"]
  const holder = !fields.has("rope_theta") && isJsonObject(inner) ? configFields(inner, "rope_parameters") : fields
  return holder.number("rope_theta", CONFIG_BOUNDS.ropeTheta, 10000)
}

function ropeScaling(fields: ConfigFields): JsonObject | null {
  const name = fields.has("rope_scaling") ? "rope_scaling" : "rope_parameters"
  if (!fields.has(name)) return null
  const found = fields.object[name]
  if (!isJsonObject(found)) throw fields.wrong(name, "an object")
  const scaling = configFields(found, name)
  const type = scaling.text("rope_type", scaling.text("type", "default"))
  if (type === "default") return null
  if (!ROPE_TYPES.includes(type)) throw scaling.wrong("rope_type", `one of ${ROPE_TYPES.join(", ")}`)
  for (const [key, value] of Object.entries(found))
    if (typeof value === "number") scaling.number(key, { least: -CONFIG_BOUNDS.ropeTheta.most, most: 1e12 })
  if (scaling.has("factor")) scaling.number("factor", CONFIG_BOUNDS.ropeFactor)
  return { ...found, rope_type: type }
}

/** Qwen files carry a window that use_sliding_window switches off. */
function slidingWindow(fields: ConfigFields, family: Family): number | null {
  if (!fields.has("sliding_window")) return null
  if (family !== "llama" && !fields.flag("use_sliding_window", false)) return null
  return fields.integer("sliding_window", CONFIG_BOUNDS.context)
}

function moe(fields: ConfigFields, layers: number): MoeConfig {
  const experts = fields.integer("num_experts", { ...CONFIG_BOUNDS.experts, least: 1 })
  const step = fields.integer("decoder_sparse_step", CONFIG_BOUNDS.layerStep, 1)
  const listed = fields.object["mlp_only_layers"] ?? []
  if (!Array.isArray(listed)) throw fields.wrong("mlp_only_layers", "a list of layers")
  const dense = Array.from({ length: layers }, (_, layer) => layer).filter(
    (layer) => listed.includes(layer) || (layer + 1) % step !== 0,
  )
  return {
    experts,
    expertsPerToken: fields.integer("num_experts_per_tok", { least: 1, most: experts }),
    intermediateSize: fields.integer("moe_intermediate_size", CONFIG_BOUNDS.intermediate),
    renormalize: fields.flag("norm_topk_prob", false),
    denseLayers: dense,
  }
}

/** MLX's form: defaults, and exceptions under module paths. "quantization_config" repeats it in newer files. */
function quantization(fields: ConfigFields, source: string): Pick<ModelConfig, "quantization" | "moduleQuantization"> {
  const name = fields.has("quantization") ? "quantization" : "quantization_config"
  if (!fields.has(name)) return { quantization: null, moduleQuantization: {} }
  const found = fields.object[name]
  if (!isJsonObject(found)) throw fields.wrong(name, "an object")
  if (!("bits" in found) || !("group_size" in found))
    throw new EngineError(
      "model_unreadable",
      `${source}: weights quantized by ${JSON.stringify(found["quant_method"] ?? "an unnamed method")} are not supported. ` +
        "Supported: MLX's affine and mxfp4, GGUF, and dense f32, f16 and bf16.",
    )
  const modules: Record<string, QuantizationConfig | false> = {}
  for (const [path, value] of Object.entries(found)) {
    if (value === false) modules[path] = false
    else if (isJsonObject(value)) modules[path] = oneQuantization(configFields(value, `${source}: ${path}`))
  }
  return { quantization: oneQuantization(configFields(found, `${source}: ${name}`)), moduleQuantization: modules }
}

function oneQuantization(fields: ConfigFields): QuantizationConfig {
  const bits = fields.integer("bits", { least: 2, most: 8 })
  if (!BITS.includes(bits)) throw fields.wrong("bits", `one of ${BITS.join(", ")}`)
  const groupSize = fields.integer("group_size", { least: 16, most: 128 })
  if (!GROUP_SIZES.includes(groupSize)) throw fields.wrong("group_size", `one of ${GROUP_SIZES.join(", ")}`)
  const mode = fields.text("mode", "affine")
  if (!MODES.includes(mode)) throw fields.wrong("mode", `one of ${MODES.join(", ")}`)
  return { bits, groupSize, mode }
}
