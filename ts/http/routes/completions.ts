// POST /v1/completions: text or tokens in, text out. A list of prompts becomes one engine request each; choice numbers
// run over all of them, prompt by prompt.

import type { GenerationRequest, Prompt } from "../../engine/index.ts"
import { answerFormatOf } from "../answer-format.ts"
import { completion, createCompletionStreamFormat, type Echoes } from "../completion-format.ts"
import { cacheSaltOf } from "../cache-salt.ts"
import { HttpError } from "../error-response.ts"
import { deliveryOf, predictionOf, resolveModel, samplingOf, stopIdsOf, stopOf } from "../generation-fields.ts"
import type { PrepareWork } from "../generation-work.ts"
import { LIMITS } from "../limits.ts"
import { sortFields, unsupported } from "../refused-fields.ts"
import { CHAT_FIELDS, COMPLETION_FIELDS } from "../request-fields.ts"
import { createReplyIdentity } from "../reply-identity.ts"
import type { Route } from "../router.ts"
import { Completion, CompletionRequest } from "../schemas/completion.ts"
import type { Services } from "../services.ts"
import { unknownFields } from "../unknown-fields.ts"
import { createValidator } from "../validation.ts"
import { answerGeneration } from "./answer-generation.ts"

export function completionsRoute(services: Services, prepare: PrepareWork): Route {
  return {
    method: "POST",
    path: "/v1/completions",
    access: "key",
    doc: {
      summary: "Continue a text, whole or streamed.",
      body: CompletionRequest,
      answer: Completion,
      event: Completion,
    },
    async handle(exchange) {
      services.admission.check(exchange.client)
      answerGeneration(services, exchange, prepare(await exchange.json(), exchange.client))
    },
  }
}

/** Throws HttpError for a body that is not served. */
export function createCompletionWork(services: Services): PrepareWork {
  const validate = createValidator(CompletionRequest)
  return (value, client) => {
    const body = validate(value)
    const ignored = [
      ...sortFields(body, COMPLETION_FIELDS, CHAT_FIELDS),
      ...unknownFields(CompletionRequest, body, LIMITS.ignoredFieldsNamed),
    ]
    const model = resolveModel(body.model, services.engine.status().models, services.settings)
    const identity = createReplyIdentity("cmpl", model.id)
    const prompts = withSuffix(promptsOf(body.prompt, model.vocabularySize), body.suffix ?? "")
    const perPrompt = body.n ?? 1
    const choices = prompts.length * perPrompt
    if (choices > LIMITS.prompts)
      throw new HttpError("invalid_value", `Prompts times 'n' is ${choices}; at most ${LIMITS.prompts}.`, {
        param: "n",
      })
    const sampling = samplingOf(body, model)
    const stopIds = stopIdsOf(body.stop_token_ids, model)
    const logprobs = body.logprobs ?? null
    const format = answerFormatOf(body)
    const echoes = echoesOf(body, prompts)
    const requests = prompts.map(
      (prompt, index): GenerationRequest => ({
        id: prompts.length === 1 ? identity.id : `${identity.id}-${index}`,
        model: model.id,
        prompt,
        sampling,
        maxTokens: body.max_tokens ?? null,
        stop: stopOf(body.stop),
        ...stopIds,
        ...format,
        choices: perPrompt,
        ...predictionOf(body.prediction),
        ...(logprobs === null ? {} : { logprobs }),
        client,
        ...cacheSaltOf(body.cache_salt, client, services.settings),
      }),
    )
    return {
      id: identity.id,
      kind: "completion",
      requests,
      choices,
      ignored,
      ...deliveryOf(body),
      format: () => createCompletionStreamFormat(identity, body.stream_options?.include_usage ?? false, echoes),
      whole: (collected, usage) => completion(identity, collected, usage, logprobs !== null, echoes),
    }
  }
}

/** What the answers to each prompt begin with; none where nobody asked. */
function echoesOf(body: CompletionRequest, prompts: readonly Prompt[]): Echoes | null {
  const perPrompt = body.n ?? 1
  if (typeof body.best_of === "number" && body.best_of !== perPrompt)
    throw unsupported("best_of", "'best_of' must equal 'n' here: all answers are returned.")
  if (!body.echo) return null
  if (typeof body.logprobs === "number")
    throw unsupported("echo", "'echo' with 'logprobs' is not supported: the prompt's tokens have none here.")
  const texts = prompts.map((prompt) => {
    if (prompt.kind === "text") return prompt.text
    throw unsupported("echo", "'echo' needs a prompt that is text.")
  })
  return { texts, perPrompt }
}

function withSuffix(prompts: readonly Prompt[], suffix: string): readonly Prompt[] {
  if (suffix === "") return prompts
  return prompts.map((prompt) => {
    if (prompt.kind === "text") return { ...prompt, suffix }
    throw unsupported("suffix", "'suffix' needs a prompt that is text.")
  })
}

function promptsOf(prompt: CompletionRequest["prompt"], vocabularySize: number): Prompt[] {
  if (typeof prompt === "string") return [{ kind: "text", text: prompt }]
  const ids: number[] = []
  const prompts: Prompt[] = []
  for (const [index, entry] of prompt.entries()) {
    const param = `prompt.${index}`
    if (typeof entry === "string") prompts.push({ kind: "text", text: entry })
    else if (typeof entry === "number") ids.push(checkedId(entry, vocabularySize, param))
    else prompts.push({ kind: "tokens", ids: entry.map((id, at) => checkedId(id, vocabularySize, `${param}.${at}`)) })
  }
  return ids.length > 0 ? [{ kind: "tokens", ids }] : prompts
}

function checkedId(id: number, vocabularySize: number, param: string): number {
  if (id < vocabularySize) return id
  throw new HttpError("invalid_value", `Token ${id} is outside the vocabulary of ${vocabularySize}.`, { param })
}
