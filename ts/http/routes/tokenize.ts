// POST /tokenize and /detokenize, in vLLM's shapes: what a prompt or a chat request becomes, and what tokens say.

import { Type } from "typebox"
import type { Prompt } from "../../engine/index.ts"
import { HttpError } from "../error-response.ts"
import { resolveModel } from "../generation-fields.ts"
import { withTools } from "../legacy-functions.ts"
import type { Route } from "../router.ts"
import { ChatCompletionRequest } from "../schemas/chat-completion.ts"
import {
  DetokenizedText,
  DetokenizeRequest,
  type Tokens,
  Tokens as TokensSchema,
  TokenizeTextRequest,
} from "../schemas/tokenize.ts"
import type { Services } from "../services.ts"
import { createValidator } from "../validation.ts"
import { promptOf } from "./chat-completions.ts"

export function tokenizeRoutes(services: Services): Route[] {
  const validateText = createValidator(TokenizeTextRequest)
  const validateChat = createValidator(ChatCompletionRequest)
  const validateIds = createValidator(DetokenizeRequest)
  const modelOf = (name: string | undefined) => resolveModel(name, services.engine.status().models, services.settings)

  /** A body with messages is a chat request: all of it counts, tools too. */
  const read = (value: unknown): { readonly model: string | undefined; readonly prompt: Prompt } => {
    if (typeof value === "object" && value !== null && "messages" in value) {
      const body = withTools(validateChat(value))
      return { model: body.model, prompt: promptOf(body) }
    }
    const { model, prompt, add_special_tokens } = validateText(value)
    return { model, prompt: { kind: "text", text: prompt, bare: add_special_tokens === false } }
  }

  return [
    {
      method: "POST",
      path: "/tokenize",
      access: "key",
      doc: {
        summary: "Token ids of a text, or of a chat request as its answer would see it.",
        body: Type.Union([TokenizeTextRequest, ChatCompletionRequest], { title: "TokenizeRequest" }),
        answer: TokensSchema,
      },
      async handle(exchange) {
        services.admission.check(exchange.client)
        const { model: name, prompt } = read(await exchange.json())
        const model = modelOf(name)
        const ids = await services.engine.tokenize(model.id, prompt)
        const answer: Tokens = { count: ids.length, max_model_len: model.contextLength, tokens: [...ids] }
        exchange.sendJson(200, answer)
      },
    },
    {
      method: "POST",
      path: "/detokenize",
      access: "key",
      doc: { summary: "The text of token ids.", body: DetokenizeRequest, answer: DetokenizedText },
      async handle(exchange) {
        services.admission.check(exchange.client)
        const body = validateIds(await exchange.json())
        const model = modelOf(body.model)
        const wrong = body.tokens.findIndex((id) => id >= model.vocabularySize)
        if (wrong >= 0)
          throw new HttpError("invalid_value", `The vocabulary has ${model.vocabularySize} tokens.`, {
            param: `tokens.${wrong}`,
          })
        const answer: DetokenizedText = { prompt: await services.engine.detokenize(model.id, body.tokens) }
        exchange.sendJson(200, answer)
      },
    },
  ]
}
