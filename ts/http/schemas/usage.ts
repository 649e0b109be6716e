// Token counts of one answer, as OpenAI writes them.

import { type Static, Type } from "typebox"

export const Usage = Type.Object({
  prompt_tokens: Type.Integer(),
  completion_tokens: Type.Integer(),
  total_tokens: Type.Integer(),
  prompt_tokens_details: Type.Object({ cached_tokens: Type.Integer() }),
  completion_tokens_details: Type.Object({
    reasoning_tokens: Type.Integer(),
    /** Of speculation, by a draft model or by n-grams: what was proposed and taken, and what was not. */
    accepted_prediction_tokens: Type.Integer(),
    rejected_prediction_tokens: Type.Integer(),
  }),
})
export type Usage = Static<typeof Usage>
