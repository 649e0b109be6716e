// Qwen 3 MoE: Qwen 3 whose MLPs are mixtures of experts.

import {
  attention,
  best,
  describeAttention,
  describeEmbedding,
  describeHead,
  describeMlp,
  describeMoe,
  describeNorm,
  describeRope,
  embed,
  logits,
  mlp,
  moe,
  norm,
} from "../layers/index.ts"
import type { Model } from "./family.ts"
import type { WeightPlan } from "./weight-plan.ts"

export function qwen3Moe(plan: WeightPlan, ropeFactors: Float32Array | null): Model {
  const { config } = plan
  const rope = describeRope(plan, ropeFactors)
  const dense = new Set(config.moe?.denseLayers)
  const embedding = describeEmbedding(plan)
  const layers = Array.from({ length: config.layers }, (_, layer) => ({
    attentionNorm: describeNorm(plan, "attentionNorm", layer),
    attention: describeAttention(plan, layer, rope, {
      inputBias: config.attentionBias,
      outputBias: config.attentionBias,
      headNorms: true,
    }),
    mlpNorm: describeNorm(plan, "mlpNorm", layer),
    mlp: dense.has(layer) ? describeMlp(plan, layer) : null,
    moe: dense.has(layer) ? null : describeMoe(plan, layer),
  }))
  const head = describeHead(plan, embedding)

  return {
    forward(buffer, tokens) {
      let x = embed(buffer, embedding, tokens)
      for (const layer of layers) {
        x = attention(buffer, layer.attention, norm(buffer, layer.attentionNorm, x), x)
        const normed = norm(buffer, layer.mlpNorm, x)
        if (layer.moe !== null) x = moe(buffer, layer.moe, normed, x)
        else if (layer.mlp !== null) x = mlp(buffer, layer.mlp, normed, x)
      }
      return x
    },
    logits: (buffer, hidden) => logits(buffer, head, hidden),
    best: (buffer, hidden, tokens) => best(buffer, head, hidden, tokens),
  }
}
