// How checkpoints call the modules of a decoder: Hugging Face's names and GGUF's. Knows no shapes.

import type { ModelConfig } from "../checkpoint/model-config.ts"

/** A module with one tensor "weight" and perhaps a "bias". `{l}` stands for the layer, `{e}` for the expert. */
const NAMES = {
  embedding: { hf: "model.embed_tokens", gguf: "token_embd" },
  finalNorm: { hf: "model.norm", gguf: "output_norm" },
  head: { hf: "lm_head", gguf: "output" },
  attentionNorm: { hf: "model.layers.{l}.input_layernorm", gguf: "blk.{l}.attn_norm" },
  q: { hf: "model.layers.{l}.self_attn.q_proj", gguf: "blk.{l}.attn_q" },
  k: { hf: "model.layers.{l}.self_attn.k_proj", gguf: "blk.{l}.attn_k" },
  v: { hf: "model.layers.{l}.self_attn.v_proj", gguf: "blk.{l}.attn_v" },
  o: { hf: "model.layers.{l}.self_attn.o_proj", gguf: "blk.{l}.attn_output" },
  qNorm: { hf: "model.layers.{l}.self_attn.q_norm", gguf: "blk.{l}.attn_q_norm" },
  kNorm: { hf: "model.layers.{l}.self_attn.k_norm", gguf: "blk.{l}.attn_k_norm" },
  mlpNorm: { hf: "model.layers.{l}.post_attention_layernorm", gguf: "blk.{l}.ffn_norm" },
  gate: { hf: "model.layers.{l}.mlp.gate_proj", gguf: "blk.{l}.ffn_gate" },
  up: { hf: "model.layers.{l}.mlp.up_proj", gguf: "blk.{l}.ffn_up" },
  down: { hf: "model.layers.{l}.mlp.down_proj", gguf: "blk.{l}.ffn_down" },
  router: { hf: "model.layers.{l}.mlp.gate", gguf: "blk.{l}.ffn_gate_inp" },
  // One tensor an expert.
  expertGate: { hf: "model.layers.{l}.mlp.experts.{e}.gate_proj", gguf: "" },
  expertUp: { hf: "model.layers.{l}.mlp.experts.{e}.up_proj", gguf: "" },
  expertDown: { hf: "model.layers.{l}.mlp.experts.{e}.down_proj", gguf: "" },
  // All experts of a layer in one tensor, [experts, outputs, inputs].
  stackedGate: { hf: "model.layers.{l}.mlp.switch_mlp.gate_proj", gguf: "blk.{l}.ffn_gate_exps" },
  stackedUp: { hf: "model.layers.{l}.mlp.switch_mlp.up_proj", gguf: "blk.{l}.ffn_up_exps" },
  stackedDown: { hf: "model.layers.{l}.mlp.switch_mlp.down_proj", gguf: "blk.{l}.ffn_down_exps" },
} as const

export type ModuleRole = keyof typeof NAMES

/** Module path in the checkpoint, without ".weight". */
export function moduleName(style: ModelConfig["names"], role: ModuleRole, layer = 0, expert = 0): string {
  return NAMES[role][style].replace("{l}", String(layer)).replace("{e}", String(expert))
}

/** Tensors that a checkpoint may hold and nobody needs. */
export function isIgnored(name: string, config: ModelConfig): boolean {
  if (name.endsWith("rotary_emb.inv_freq")) return true
  const head = `${moduleName(config.names, "head")}.`
  return config.tiedEmbeddings && name.startsWith(head)
}
