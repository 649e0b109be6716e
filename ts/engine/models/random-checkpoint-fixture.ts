// Test fixture: a model folder of seeded random weights, as the product loads one: Qwen 3, 4 bits in groups of 32. Its
// next tokens are close calls: what changes a logit in the last place changes the answer.

import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { packed, seeded, type StoredTensor, writeSafetensors } from "./random-model-fixture.ts"

const CONFIG = {
  architectures: ["Qwen3ForCausalLM"],
  model_type: "qwen3",
  vocab_size: 512,
  hidden_size: 128,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 32,
  intermediate_size: 192,
  max_position_embeddings: 2048,
  rope_theta: 10000,
  rms_norm_eps: 1e-6,
  tie_word_embeddings: true,
  hidden_act: "silu",
  attention_bias: false,
  eos_token_id: 0,
  quantization: { group_size: 32, bits: 4 },
}

export const RANDOM_VOCABULARY = CONFIG.vocab_size

/** Other seeds are other models of the same shape. */
export function writeRandomCheckpoint(folder: string, seed: number): void {
  const random = seeded(seed)
  const { hidden_size: hidden, head_dim: headDim, intermediate_size: inner } = CONFIG
  const [queries, keys] = [CONFIG.num_attention_heads * headDim, CONFIG.num_key_value_heads * headDim]
  const ones = (name: string, length: number): StoredTensor => {
    return { name, dtype: "F32", shape: [length], data: new Float32Array(length).fill(1) }
  }
  const tensors: StoredTensor[] = [...packed("model.embed_tokens", CONFIG.vocab_size, hidden, random, 0.3)]
  tensors.push(ones("model.norm.weight", hidden))
  for (let i = 0; i < CONFIG.num_hidden_layers; i++) {
    const layer = `model.layers.${i}`
    tensors.push(
      ones(`${layer}.input_layernorm.weight`, hidden),
      ones(`${layer}.post_attention_layernorm.weight`, hidden),
      ones(`${layer}.self_attn.q_norm.weight`, headDim),
      ones(`${layer}.self_attn.k_norm.weight`, headDim),
      ...packed(`${layer}.self_attn.q_proj`, queries, hidden, random, 0.4),
      ...packed(`${layer}.self_attn.k_proj`, keys, hidden, random, 0.4),
      ...packed(`${layer}.self_attn.v_proj`, keys, hidden, random, 0.4),
      ...packed(`${layer}.self_attn.o_proj`, hidden, queries, random, 0.4),
      ...packed(`${layer}.mlp.gate_proj`, inner, hidden, random, 0.3),
      ...packed(`${layer}.mlp.up_proj`, inner, hidden, random, 0.3),
      ...packed(`${layer}.mlp.down_proj`, hidden, inner, random, 0.3),
    )
  }
  writeSafetensors(join(folder, "model.safetensors"), tensors)
  writeFileSync(join(folder, "config.json"), JSON.stringify(CONFIG))
  // Its tokens have no text.
  writeFileSync(join(folder, "tokenizer.json"), "{}")
}
