// POST /v1/chat/completions: OpenAI's chat request -> GenerationRequest, and back.

import type { GenerationRequest } from "../../engine/index.ts"
import { answerFormatOf, toolWishOf } from "../answer-format.ts"
import { chatCompletion, createChatStreamFormat } from "../chat-format.ts"
import { chatMessages, toolDefinitions } from "../chat-messages.ts"
import { cacheSaltOf } from "../cache-salt.ts"
import { HttpError } from "../error-response.ts"
import { deliveryOf, predictionOf, resolveModel, samplingOf, stopIdsOf, stopOf } from "../generation-fields.ts"
import type { PrepareWork } from "../generation-work.ts"
import { sortFields, unsupported } from "../refused-fields.ts"
import { CHAT_FIELDS, COMPLETION_FIELDS } from "../request-fields.ts"
import { asksForFunctions, withTools } from "../legacy-functions.ts"
import { LIMITS } from "../limits.ts"
import { createReplyIdentity } from "../reply-identity.ts"
import type { Route } from "../router.ts"
import { ChatCompletion, ChatCompletionChunk, ChatCompletionRequest } from "../schemas/chat-completion.ts"
import type { Services } from "../services.ts"
import { unknownFields } from "../unknown-fields.ts"
import { createValidator } from "../validation.ts"
import { answerGeneration } from "./answer-generation.ts"

/** A request may switch thinking; other variables of a template are the server's. */
const TEMPLATE_OPTIONS: ReadonlySet<string> = new Set(["enable_thinking", "thinking", "reasoning_effort"])

export function chatCompletionsRoute(services: Services, prepare: PrepareWork): Route {
  return {
    method: "POST",
    path: "/v1/chat/completions",
    access: "key",
    doc: {
      summary: "Answer a conversation, whole or streamed.",
      body: ChatCompletionRequest,
      answer: ChatCompletion,
      event: ChatCompletionChunk,
    },
    async handle(exchange) {
      services.admission.check(exchange.client)
      answerGeneration(services, exchange, prepare(await exchange.json(), exchange.client))
    },
  }
}

/** Throws HttpError for a body that is not served. */
export function createChatWork(services: Services): PrepareWork {
  const validate = createValidator(ChatCompletionRequest)
  return (value, client) => {
    const given = validate(value)
    const ignored = [
      ...sortFields(given, CHAT_FIELDS, COMPLETION_FIELDS),
      ...unknownFields(ChatCompletionRequest, given, LIMITS.ignoredFieldsNamed),
    ]
    const legacy = asksForFunctions(given)
    const body = withTools(given)
    refuseUnserved(body)
    const model = resolveModel(body.model, services.engine.status().models, services.settings)
    const identity = createReplyIdentity("chatcmpl", model.id)
    const logprobs = logprobsOf(body)
    const choices = body.n ?? 1
    const thinkingBudget = body.thinking_budget ?? services.settings.thinkingBudget
    const request: GenerationRequest = {
      id: identity.id,
      model: model.id,
      prompt: promptOf(body, thinkingBudget),
      sampling: samplingOf(body, model),
      maxTokens: body.max_completion_tokens ?? body.max_tokens ?? null,
      stop: stopOf(body.stop),
      ...stopIdsOf(body.stop_token_ids, model),
      ...answerFormatOf(body),
      ...toolWishOf(body),
      choices,
      ...predictionOf(body.prediction),
      ...(thinkingBudget === null ? {} : { thinkingBudget }),
      ...(logprobs === null ? {} : { logprobs }),
      client,
      ...cacheSaltOf(body.cache_salt, client, services.settings),
    }
    return {
      id: identity.id,
      kind: "chat",
      requests: [request],
      choices,
      ignored,
      ...deliveryOf(body),
      format: () => createChatStreamFormat(identity, body.stream_options?.include_usage ?? false, legacy),
      whole: (collected, usage) => chatCompletion(identity, collected, usage, logprobs !== null, legacy),
      ...(body.parallel_tool_calls === false
        ? { keep: (event) => event.type !== "tool_call" || event.index === 0 }
        : {}),
    }
  }
}

export function promptOf(
  body: ChatCompletionRequest,
  thinkingBudget = body.thinking_budget ?? null,
): GenerationRequest["prompt"] {
  const tools = toolDefinitions(body)
  const effort = body.reasoning_effort ?? undefined
  const options = {
    ...(effort === undefined ? {} : { reasoning_effort: effort }),
    ...(effort === "none" || thinkingBudget === 0 ? { enable_thinking: false } : {}),
    ...(typeof body.enable_thinking === "boolean" ? { enable_thinking: body.enable_thinking } : {}),
    ...body.chat_template_kwargs,
  }
  return {
    kind: "chat",
    messages: chatMessages(body.messages),
    ...(continuesFinal(body) ? { continueFinalMessage: true } : {}),
    ...(tools.length === 0 ? {} : { tools }),
    ...(Object.keys(options).length === 0 ? {} : { templateOptions: options }),
  }
}

function continuesFinal(body: ChatCompletionRequest): boolean {
  const continues = body.continue_final_message ?? false
  if (continues && body.messages.at(-1)?.role !== "assistant")
    throw new HttpError("invalid_value", "'continue_final_message' needs a last message of the assistant.", {
      param: "continue_final_message",
    })
  if (body.add_generation_prompt === continues)
    throw unsupported(
      "add_generation_prompt",
      "'add_generation_prompt' must be the opposite of continue_final_message.",
    )
  return continues
}

/** Null: none asked. */
function logprobsOf(body: ChatCompletionRequest): number | null {
  if (body.logprobs) return body.top_logprobs ?? 0
  if (body.top_logprobs)
    throw new HttpError("invalid_value", "'top_logprobs' needs 'logprobs': true.", { param: "top_logprobs" })
  return null
}

function refuseUnserved(body: ChatCompletionRequest): void {
  for (const name of Object.keys(body.chat_template_kwargs ?? {}))
    if (!TEMPLATE_OPTIONS.has(name)) throw unsupported(`chat_template_kwargs.${name}`)
}
