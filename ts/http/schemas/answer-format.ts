// Request fields that constrain an answer: OpenAI's, ours, and the names that other servers use for the same.

import { type Static, Type } from "typebox"
import { Nullable } from "./fields.ts"

const JsonSchema = Type.Object({}, { description: "A JSON Schema." })
const Text = Type.String({ minLength: 1 })
const Choices = Type.Array(Text, { minItems: 1 })

const ResponseFormat = Type.Object({
  type: Type.Union([Type.Literal("text"), Type.Literal("json_object"), Type.Literal("json_schema")]),
  json_schema: Nullable(
    Type.Object({
      name: Nullable(Type.String()),
      description: Nullable(Type.String()),
      schema: Nullable(JsonSchema),
      strict: Nullable(
        Type.Boolean({ description: "Refuse keywords that cannot be enforced. Default: pass over them." }),
      ),
    }),
  ),
  schema: Nullable(JsonSchema),
})

export const answerFormatFields = {
  response_format: Nullable(ResponseFormat),
  regex: Nullable(Type.String({ description: "The answer matches this (Rust's syntax, no look-around). Extension." })),
  choice: Nullable(Type.Array(Text, { minItems: 1, description: "The answer is one of these. Extension." })),
  grammar: Nullable(Type.String({ description: "The answer is of this grammar (llguidance's Lark). Extension." })),
  json_schema: Nullable(Type.Object({}, { description: "As response_format, not strict. Extension." })),
  guided_json: Nullable(Type.Union([JsonSchema, Text], { description: "As json_schema. vLLM's name." })),
  guided_regex: Nullable(Type.String({ description: "As regex. vLLM's name." })),
  guided_choice: Nullable(Type.Array(Text, { minItems: 1, description: "As choice. vLLM's name." })),
  guided_grammar: Nullable(Type.String({ description: "As grammar. vLLM's name." })),
  structured_outputs: Nullable(
    Type.Object(
      {
        json: Nullable(Type.Union([JsonSchema, Text])),
        json_object: Nullable(Type.Boolean()),
        regex: Nullable(Text),
        choice: Nullable(Choices),
        grammar: Nullable(Text),
      },
      { description: "One of the above. vLLM's name." },
    ),
  ),
}

const AnswerFormatFields = Type.Object(answerFormatFields)
export type AnswerFormatFields = Static<typeof AnswerFormatFields>
