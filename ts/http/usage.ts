// The engine's token counts -> OpenAI's usage object.

import type { Usage as EngineUsage } from "../engine/index.ts"
import type { Usage } from "./schemas/usage.ts"

export function usageOf(usage: EngineUsage): Usage {
  return {
    prompt_tokens: usage.promptTokens,
    completion_tokens: usage.completionTokens,
    total_tokens: usage.promptTokens + usage.completionTokens,
    prompt_tokens_details: { cached_tokens: usage.cachedTokens },
    completion_tokens_details: {
      reasoning_tokens: usage.reasoningTokens,
      accepted_prediction_tokens: usage.acceptedTokens ?? 0,
      rejected_prediction_tokens: (usage.draftedTokens ?? 0) - (usage.acceptedTokens ?? 0),
    },
  }
}
