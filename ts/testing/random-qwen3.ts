// A Qwen3-shaped model with random weights and two KV heads: more ranks than that share one. It speaks nonsense, but the
// same nonsense over any number of ranks.

import { copyFileSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const SHAPE = { hidden: 128, layers: 3, queryHeads: 6, kvHeads: 2, headDim: 32, inner: 160 }
const TEXT_FILES = ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"]

/** Writes the model into a folder, with the tokenizer of another. */
export function writeRandomQwen3(folder: string, tokenizerOf: string): void {
  for (const name of TEXT_FILES) copyFileSync(join(tokenizerOf, name), join(folder, name))
  const config: Record<string, unknown> = JSON.parse(readFileSync(join(tokenizerOf, "config.json"), "utf8"))
  const { hidden, layers, queryHeads, kvHeads, headDim, inner } = SHAPE
  const own = {
    ...config,
    hidden_size: hidden,
    num_hidden_layers: layers,
    num_attention_heads: queryHeads,
    num_key_value_heads: kvHeads,
    head_dim: headDim,
    intermediate_size: inner,
    max_window_layers: layers,
    tie_word_embeddings: true,
    torch_dtype: "float32",
  }
  // Dense weights.
  const { quantization: _, quantization_config: __, ...dense } = own as Record<string, unknown>
  writeFileSync(join(folder, "config.json"), JSON.stringify(dense))

  const random = uniform(5)
  const tensors = new Map<string, { shape: number[]; data: Float32Array }>()
  const add = (name: string, shape: number[], scale: number, center = 0) => {
    const length = shape.reduce((a, b) => a * b, 1)
    tensors.set(name, { shape, data: Float32Array.from({ length }, () => center + random() * scale) })
  }
  add("model.embed_tokens.weight", [Number(config["vocab_size"]), hidden], 1)
  add("model.norm.weight", [hidden], 0.2, 1)
  for (let layer = 0; layer < layers; layer++) {
    const at = `model.layers.${layer}`
    add(`${at}.input_layernorm.weight`, [hidden], 0.2, 1)
    add(`${at}.post_attention_layernorm.weight`, [hidden], 0.2, 1)
    add(`${at}.self_attn.q_proj.weight`, [queryHeads * headDim, hidden], 0.2)
    add(`${at}.self_attn.k_proj.weight`, [kvHeads * headDim, hidden], 0.2)
    add(`${at}.self_attn.v_proj.weight`, [kvHeads * headDim, hidden], 0.2)
    add(`${at}.self_attn.o_proj.weight`, [hidden, queryHeads * headDim], 0.2)
    add(`${at}.self_attn.q_norm.weight`, [headDim], 0.2, 1)
    add(`${at}.self_attn.k_norm.weight`, [headDim], 0.2, 1)
    add(`${at}.mlp.gate_proj.weight`, [inner, hidden], 0.2)
    add(`${at}.mlp.up_proj.weight`, [inner, hidden], 0.2)
    add(`${at}.mlp.down_proj.weight`, [hidden, inner], 0.2)
  }
  writeFileSync(join(folder, "model.safetensors"), safetensors(tensors))
}

function safetensors(tensors: ReadonlyMap<string, { shape: number[]; data: Float32Array }>): Buffer {
  let end = 0
  const entries = [...tensors].map(([name, { shape, data }]) => {
    const begin = end
    end += data.byteLength
    return [name, { dtype: "F32", shape, data_offsets: [begin, end] }] as const
  })
  const header = Buffer.from(JSON.stringify(Object.fromEntries(entries)))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(header.length))
  return Buffer.concat([length, header, ...[...tensors.values()].map(({ data }) => Buffer.from(data.buffer))])
}

/** Between -1 and 1; mulberry32. */
function uniform(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 31 - 1
  }
}
