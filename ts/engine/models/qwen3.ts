// Qwen 3: llama with per-head norms of q and k before rope.

import {
  attention,
  best,
  describeAttention,
  describeEmbedding,
  describeHead,
  describeMlp,
  describeNorm,
  describeRope,
  embed,
  logits,
  mlp,
  norm,
} from "../layers/index.ts"
import type { Model } from "./family.ts"
import type { WeightPlan } from "./weight-plan.ts"

export function qwen3(plan: WeightPlan, ropeFactors: Float32Array | null): Model {
  const { config } = plan
  const rope = describeRope(plan, ropeFactors)
  const embedding = describeEmbedding(plan)
  const layers = Array.from({ length: config.layers }, (_, layer) => ({
    attentionNorm: describeNorm(plan, "attentionNorm", layer),
    attention: describeAttention(plan, layer, rope, {
      inputBias: config.attentionBias,
      outputBias: config.attentionBias,
      headNorms: true,
    }),
    mlpNorm: describeNorm(plan, "mlpNorm", layer),
    mlp: describeMlp(plan, layer),
  }))
  const head = describeHead(plan, embedding)

  return {
    forward(buffer, tokens) {
      let x = embed(buffer, embedding, tokens)
      for (const layer of layers) {
        x = attention(buffer, layer.attention, norm(buffer, layer.attentionNorm, x), x)
        x = mlp(buffer, layer.mlp, norm(buffer, layer.mlpNorm, x), x)
      }
      return x
    },
    logits: (buffer, hidden) => logits(buffer, head, hidden),
    best: (buffer, hidden, tokens) => best(buffer, head, hidden, tokens),
  }
}
