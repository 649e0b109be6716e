// Request fields that /v1/chat/completions and /v1/completions share.

import { type TSchema, Type } from "typebox"
import { LIMITS } from "../limits.ts"

export const Nullable = <T extends TSchema>(schema: T) => Type.Optional(Type.Union([schema, Type.Null()]))

export const ModelField = Type.Optional(
  Type.String({
    minLength: 1,
    maxLength: LIMITS.modelNameChars,
    description: "A served model; the first one if absent.",
  }),
)
export const PositiveTokens = Type.Integer({ minimum: 1, maximum: LIMITS.maxTokens })

export const samplingFields = {
  temperature: Nullable(
    Type.Number({
      minimum: 0,
      maximum: LIMITS.temperature,
      description: "0 is greedy. Default: the model's own, else 1.",
    }),
  ),
  top_p: Nullable(Type.Number({ minimum: 0, maximum: 1, description: "Default: the model's own, else 1." })),
  top_k: Nullable(
    Type.Integer({
      minimum: -1,
      maximum: 1_000_000,
      description: "0 or -1 is off. Default: the model's own, else off. Extension.",
    }),
  ),
  min_p: Nullable(Type.Number({ minimum: 0, maximum: 1, description: "Default: the model's own, else 0. Extension." })),
  typical_p: Nullable(
    Type.Number({
      exclusiveMinimum: 0,
      maximum: 1,
      description:
        "Locally typical sampling: keeps the least surprising tokens that hold this much. 1 is off. Extension.",
    }),
  ),
  xtc_probability: Nullable(
    Type.Number({
      minimum: 0,
      maximum: 1,
      description: "How often XTC excludes the top choices. 0 is off. Extension.",
    }),
  ),
  xtc_threshold: Nullable(
    Type.Number({
      exclusiveMinimum: 0,
      maximum: 0.5,
      description: "Share above which a token is a top choice of XTC. Default 0.1. Extension.",
    }),
  ),
  seed: Nullable(
    Type.Integer({
      minimum: Number.MIN_SAFE_INTEGER,
      maximum: Number.MAX_SAFE_INTEGER,
      description: "Equal seeds give equal answers.",
    }),
  ),
  prediction: Nullable(
    Type.Object(
      {
        type: Type.Literal("content"),
        content: Type.Union([
          Type.String(),
          Type.Array(Type.Object({ type: Type.Literal("text"), text: Type.String() }), {
            maxItems: LIMITS.contentParts,
          }),
        ]),
      },
      { description: "What the answer will probably say. Changes its speed only." },
    ),
  ),
  cache_salt: Nullable(
    Type.String({
      maxLength: LIMITS.cacheSaltChars,
      description: "Only requests of the same salt find each other's prompts in the prefix cache. Extension.",
    }),
  ),
  ignore_eos: Nullable(Type.Boolean({ description: "Do not stop at an end-of-turn token. Extension." })),
  presence_penalty: Nullable(
    Type.Number({ minimum: -LIMITS.penalty, maximum: LIMITS.penalty, description: "Default 0." }),
  ),
  frequency_penalty: Nullable(
    Type.Number({ minimum: -LIMITS.penalty, maximum: LIMITS.penalty, description: "Default 0." }),
  ),
  repetition_penalty: Nullable(
    Type.Number({
      minimum: 0,
      maximum: LIMITS.repetitionPenalty,
      description: "0 or 1 is off. Default: the model's own, else off. Extension.",
    }),
  ),
  repetition_context_size: Nullable(
    Type.Integer({
      minimum: 1,
      maximum: LIMITS.maxTokens,
      description: "Last tokens that repetition_penalty sees. Default 20. Extension.",
    }),
  ),
  logit_bias: Nullable(
    Type.Record(Type.String(), Type.Number({ minimum: -LIMITS.logitBias, maximum: LIMITS.logitBias }), {
      maxProperties: LIMITS.logitBiasTokens,
      description: "Token id -> added to its logit.",
    }),
  ),
  min_tokens: Nullable(
    Type.Integer({
      minimum: 0,
      maximum: LIMITS.maxTokens,
      description: "No end-of-turn token before so many tokens. Extension.",
    }),
  ),
  n: Nullable(Type.Integer({ minimum: 1, maximum: LIMITS.choices })),
  stop: Nullable(
    Type.Union([
      Type.String({ minLength: 1, maxLength: LIMITS.stopChars }),
      Type.Array(Type.String({ minLength: 1, maxLength: LIMITS.stopChars }), { maxItems: LIMITS.stopStrings }),
    ]),
  ),
  stop_token_ids: Nullable(
    Type.Array(Type.Integer({ minimum: 0, maximum: 0x7fff_ffff }), {
      maxItems: LIMITS.stopTokens,
      description: "Tokens that end the answer, unseen. Extension.",
    }),
  ),
  stream: Nullable(Type.Boolean()),
  resumable: Nullable(
    Type.Boolean({
      description: "A lost connection does not end the stream; GET /v1/streams/{id} goes on. Extension.",
    }),
  ),
  stream_options: Nullable(
    Type.Object({
      include_usage: Nullable(Type.Boolean({ description: "One more chunk, with usage and no choices." })),
      include_obfuscation: Nullable(Type.Boolean({ description: "No effect: nothing is obfuscated." })),
    }),
  ),
}
