// POST /v1/completions: request, answer and stream chunk (one shape).

import { type Static, Type } from "typebox"
import { LIMITS } from "../limits.ts"
import { answerFormatFields } from "./answer-format.ts"
import { ModelField, Nullable, PositiveTokens, samplingFields } from "./fields.ts"
import { Usage } from "./usage.ts"

const TokenId = Type.Integer({ minimum: 0, maximum: 0x7fff_ffff })

export const CompletionRequest = Type.Object(
  {
    model: ModelField,
    prompt: Type.Union([
      Type.String(),
      Type.Array(Type.String(), { minItems: 1, maxItems: LIMITS.prompts }),
      Type.Array(TokenId, { minItems: 1 }),
      Type.Array(Type.Array(TokenId, { minItems: 1 }), { minItems: 1, maxItems: LIMITS.prompts }),
    ]),
    max_tokens: Nullable(PositiveTokens),
    ...samplingFields,
    ...answerFormatFields,
    logprobs: Nullable(Type.Integer({ minimum: 0, maximum: LIMITS.topLogprobs })),
    echo: Nullable(
      Type.Boolean({ description: "The answer begins with its prompt. Of text prompts, without logprobs." }),
    ),
    suffix: Nullable(Type.String({ description: "What follows the answer. For models that were trained to fill in." })),
    best_of: Nullable(Type.Integer({ minimum: 1, maximum: LIMITS.choices, description: "Must equal n." })),
  },
  { title: "CompletionRequest" },
)
export type CompletionRequest = Static<typeof CompletionRequest>

export const CompletionLogprobs = Type.Object({
  tokens: Type.Array(Type.String()),
  token_logprobs: Type.Array(Type.Number()),
  top_logprobs: Type.Array(Type.Record(Type.String(), Type.Number())),
  text_offset: Type.Array(Type.Integer()),
})
export type CompletionLogprobs = Static<typeof CompletionLogprobs>

export const Completion = Type.Object(
  {
    id: Type.String(),
    object: Type.Literal("text_completion"),
    created: Type.Integer(),
    model: Type.String(),
    choices: Type.Array(
      Type.Object({
        text: Type.String(),
        index: Type.Integer(),
        logprobs: Type.Union([CompletionLogprobs, Type.Null()]),
        finish_reason: Type.Union([
          Type.Literal("stop"),
          Type.Literal("length"),
          Type.Literal("tool_calls"),
          Type.Null(),
        ]),
      }),
    ),
    usage: Type.Optional(Type.Union([Usage, Type.Null()])),
  },
  { title: "Completion" },
)
export type Completion = Static<typeof Completion>
