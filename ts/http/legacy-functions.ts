// The deprecated functions and function_call of a chat request, as tools: what follows knows one form only.

import { HttpError } from "./error-response.ts"
import type { ChatCompletionRequest } from "./schemas/chat-completion.ts"

/** Its answer names a call function_call, and there is one at most. */
export function asksForFunctions({ functions }: ChatCompletionRequest): boolean {
  return (functions ?? []).length > 0
}

/** Throws invalid_value. */
export function withTools(body: ChatCompletionRequest): ChatCompletionRequest {
  if (!asksForFunctions(body)) {
    if (typeof body.function_call !== "object" || body.function_call === null) return body
    throw new HttpError("invalid_value", "'function_call' needs 'functions'.", { param: "function_call" })
  }
  if ((body.tools ?? []).length > 0)
    throw new HttpError("invalid_value", "'functions' and 'tools' cannot stand together.", { param: "functions" })
  const { functions, function_call: choice, ...rest } = body
  return {
    ...rest,
    tools: (functions ?? []).map((one) => ({ type: "function", function: one })),
    tool_choice:
      typeof choice === "object" && choice !== null ? { type: "function", function: choice } : (choice ?? "auto"),
    parallel_tool_calls: false,
  }
}
