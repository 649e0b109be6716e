// What a checkpoint says of its architecture, in one shape for config.json and GGUF metadata. Knows no arrays.

export interface QuantizationConfig {
  readonly bits: number
  readonly groupSize: number
  /** "affine" or "mxfp4". */
  readonly mode: string
}

export interface MoeConfig {
  readonly experts: number
  readonly expertsPerToken: number
  readonly intermediateSize: number
  /** Probabilities of the chosen experts are made to sum to 1. */
  readonly renormalize: boolean
  /** Layers that keep a dense MLP. */
  readonly denseLayers: readonly number[]
}

export interface ModelConfig {
  /** model_type after remapping ("mistral" is "llama"): the file of ts/engine/models that runs it. */
  readonly family: string
  readonly hiddenSize: number
  readonly layers: number
  readonly queryHeads: number
  readonly kvHeads: number
  readonly headDim: number
  readonly intermediateSize: number
  readonly vocabularySize: number
  readonly contextLength: number
  readonly normEps: number
  readonly ropeTheta: number
  /** rope_scaling of config.json ("rope_type" normalised from "type"), or null. */
  readonly ropeScaling: Readonly<Record<string, unknown>> | null
  /** Rotates pairs (2i, 2i + 1): GGUF files of the llama family, and rope_traditional. */
  readonly ropePairs: boolean
  readonly attentionBias: boolean
  readonly mlpBias: boolean
  readonly tiedEmbeddings: boolean
  readonly slidingWindow: number | null
  readonly moe: MoeConfig | null
  /** The default of MLX-quantized safetensors, or null (dense, or GGUF where each tensor says it). */
  readonly quantization: QuantizationConfig | null
  /** Exceptions by module path; false: not quantized. */
  readonly moduleQuantization: Readonly<Record<string, QuantizationConfig | false>>
  /** How tensors are called: "hf" (model.layers.0.self_attn.q_proj) or "gguf" (blk.0.attn_q). */
  readonly names: "hf" | "gguf"
}
