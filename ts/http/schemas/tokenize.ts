// POST /tokenize and /detokenize: requests and answers.

import { type Static, Type } from "typebox"
import { LIMITS } from "../limits.ts"
import { ModelField, Nullable } from "./fields.ts"

export const TokenizeTextRequest = Type.Object(
  {
    model: ModelField,
    prompt: Type.String(),
    add_special_tokens: Nullable(Type.Boolean({ description: "The token that begins a text; default true." })),
  },
  { title: "TokenizeTextRequest" },
)

export const Tokens = Type.Object(
  {
    count: Type.Integer(),
    max_model_len: Type.Integer({ description: "Context length in tokens." }),
    tokens: Type.Array(Type.Integer()),
  },
  { title: "Tokens" },
)
export type Tokens = Static<typeof Tokens>

export const DetokenizeRequest = Type.Object(
  {
    model: ModelField,
    tokens: Type.Array(Type.Integer({ minimum: 0, maximum: 0x7fff_ffff }), { maxItems: LIMITS.detokenizeIds }),
  },
  { title: "DetokenizeRequest" },
)

export const DetokenizedText = Type.Object({ prompt: Type.String() }, { title: "DetokenizedText" })
export type DetokenizedText = Static<typeof DetokenizedText>
