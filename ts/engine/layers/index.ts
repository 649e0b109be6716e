// The door of ts/engine/layers: what architectures are made of. Each describes its weights and appends its operations.

export { attention, describeAttention, type Attention } from "./attention.ts"
export { best, describeEmbedding, describeHead, embed, logits, type Embedding, type Head } from "./embedding.ts"
export { describeMlp, mlp, type Mlp } from "./mlp.ts"
export { describeMoe, moe, type Moe } from "./moe.ts"
export { describeNorm, norm, type Norm } from "./norm.ts"
export { describeRope, type Rope, type RopeTable } from "./rope.ts"
