// POST /v1/chat/completions: request, answer and stream chunk.

import { type Static, Type } from "typebox"
import { LIMITS } from "../limits.ts"
import { answerFormatFields } from "./answer-format.ts"
import { ModelField, Nullable, PositiveTokens, samplingFields } from "./fields.ts"
import { Usage } from "./usage.ts"

const ContentPart = Type.Object({
  type: Type.Union([Type.Literal("text"), Type.Literal("refusal")]),
  text: Type.Optional(Type.String()),
  refusal: Type.Optional(Type.String()),
})

const RequestToolCall = Type.Object({
  id: Type.String(),
  type: Type.Optional(Type.Literal("function")),
  function: Type.Object({ name: Type.String({ minLength: 1 }), arguments: Type.String() }),
})

const Message = Type.Object({
  role: Type.Union([
    Type.Literal("system"),
    Type.Literal("developer"),
    Type.Literal("user"),
    Type.Literal("assistant"),
    Type.Literal("tool"),
    Type.Literal("function"),
  ]),
  content: Nullable(Type.Union([Type.String(), Type.Array(ContentPart, { maxItems: LIMITS.contentParts })])),
  name: Nullable(Type.String()),
  refusal: Nullable(Type.String()),
  reasoning_content: Nullable(Type.String()),
  reasoning: Nullable(Type.String({ description: "Another name of reasoning_content." })),
  function_call: Nullable(Type.Object({ name: Type.String({ minLength: 1 }), arguments: Type.String() })),
  tool_calls: Nullable(Type.Array(RequestToolCall, { maxItems: LIMITS.tools })),
  tool_call_id: Nullable(Type.String()),
})

const Tool = Type.Object({
  type: Type.Literal("function"),
  function: Type.Object({
    name: Type.String({ minLength: 1, maxLength: LIMITS.toolNameChars }),
    description: Nullable(Type.String()),
    parameters: Nullable(Type.Object({})),
    strict: Nullable(Type.Boolean()),
  }),
})

export const ChatCompletionRequest = Type.Object(
  {
    model: ModelField,
    messages: Type.Array(Message, { minItems: 1, maxItems: LIMITS.messages }),
    max_tokens: Nullable(PositiveTokens),
    max_completion_tokens: Nullable(PositiveTokens),
    ...samplingFields,
    logprobs: Nullable(Type.Boolean()),
    top_logprobs: Nullable(Type.Integer({ minimum: 0, maximum: LIMITS.topLogprobs })),
    tools: Nullable(Type.Array(Tool, { maxItems: LIMITS.tools })),
    tool_choice: Nullable(
      Type.Union([
        Type.Literal("auto"),
        Type.Literal("none"),
        Type.Literal("required"),
        Type.Object({ type: Type.Literal("function"), function: Type.Object({ name: Type.String() }) }),
      ]),
    ),
    parallel_tool_calls: Nullable(Type.Boolean()),
    functions: Nullable(
      Type.Array(
        Type.Object({
          name: Type.String({ minLength: 1, maxLength: LIMITS.toolNameChars }),
          description: Nullable(Type.String()),
          parameters: Nullable(Type.Object({})),
        }),
        { maxItems: LIMITS.tools, description: "Deprecated: tools." },
      ),
    ),
    function_call: Nullable(
      Type.Union([Type.Literal("none"), Type.Literal("auto"), Type.Object({ name: Type.String({ minLength: 1 }) })], {
        description: "Deprecated: tool_choice.",
      }),
    ),
    ...answerFormatFields,
    reasoning_effort: Nullable(
      Type.String({ maxLength: 16, description: "Templates know different ones; none: off." }),
    ),
    enable_thinking: Nullable(Type.Boolean({ description: "Whether the model thinks. Extension." })),
    thinking_budget: Nullable(
      Type.Integer({
        minimum: 0,
        maximum: LIMITS.maxTokens,
        description:
          "Tokens of thought after which the answer begins; 0: no thought. Default: the server's. Extension.",
      }),
    ),
    continue_final_message: Nullable(
      Type.Boolean({ description: "The last message is an assistant's, and the answer goes on with it. Extension." }),
    ),
    add_generation_prompt: Nullable(
      Type.Boolean({ description: "False only with continue_final_message. Extension." }),
    ),
    chat_template_kwargs: Nullable(
      Type.Object({
        enable_thinking: Type.Optional(Type.Boolean()),
        thinking: Type.Optional(Type.Boolean()),
        reasoning_effort: Type.Optional(Type.String({ maxLength: 16 })),
      }),
    ),
  },
  { title: "ChatCompletionRequest" },
)
export type ChatCompletionRequest = Static<typeof ChatCompletionRequest>
export type RequestMessage = Static<typeof Message>

const FinishReason = Type.Union([
  Type.Literal("stop"),
  Type.Literal("length"),
  Type.Literal("tool_calls"),
  Type.Literal("function_call"),
])

const FunctionCall = Type.Object({ name: Type.String(), arguments: Type.String() })

const topLogprob = { token: Type.String(), logprob: Type.Number(), bytes: Type.Array(Type.Integer()) }
export const ChatLogprobs = Type.Object({
  content: Type.Array(Type.Object({ ...topLogprob, top_logprobs: Type.Array(Type.Object(topLogprob)) })),
  refusal: Type.Null(),
})
export type ChatLogprobs = Static<typeof ChatLogprobs>

export const ChatCompletion = Type.Object(
  {
    id: Type.String(),
    object: Type.Literal("chat.completion"),
    created: Type.Integer(),
    model: Type.String(),
    choices: Type.Array(
      Type.Object({
        index: Type.Integer(),
        message: Type.Object({
          role: Type.Literal("assistant"),
          content: Type.Union([Type.String(), Type.Null()]),
          refusal: Type.Null(),
          reasoning_content: Type.Optional(Type.String()),
          function_call: Type.Optional(FunctionCall),
          tool_calls: Type.Optional(
            Type.Array(
              Type.Object({
                id: Type.String(),
                type: Type.Literal("function"),
                function: Type.Object({ name: Type.String(), arguments: Type.String() }),
              }),
            ),
          ),
        }),
        logprobs: Type.Union([ChatLogprobs, Type.Null()]),
        finish_reason: FinishReason,
      }),
    ),
    usage: Usage,
  },
  { title: "ChatCompletion" },
)
export type ChatCompletion = Static<typeof ChatCompletion>

export const ChatCompletionChunk = Type.Object(
  {
    id: Type.String(),
    object: Type.Literal("chat.completion.chunk"),
    created: Type.Integer(),
    model: Type.String(),
    choices: Type.Array(
      Type.Object({
        index: Type.Integer(),
        delta: Type.Object({
          role: Type.Optional(Type.Literal("assistant")),
          content: Type.Optional(Type.Union([Type.String(), Type.Null()])),
          reasoning_content: Type.Optional(Type.String()),
          function_call: Type.Optional(Type.Object({ name: Type.Optional(Type.String()), arguments: Type.String() })),
          tool_calls: Type.Optional(
            Type.Array(
              Type.Object({
                index: Type.Integer(),
                id: Type.Optional(Type.String()),
                type: Type.Optional(Type.Literal("function")),
                function: Type.Object({ name: Type.Optional(Type.String()), arguments: Type.String() }),
              }),
            ),
          ),
        }),
        logprobs: Type.Union([ChatLogprobs, Type.Null()]),
        finish_reason: Type.Union([FinishReason, Type.Null()]),
      }),
    ),
    usage: Type.Optional(Type.Union([Usage, Type.Null()])),
  },
  { title: "ChatCompletionChunk" },
)
export type ChatCompletionChunk = Static<typeof ChatCompletionChunk>
