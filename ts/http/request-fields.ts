// Which top-level fields each generating route honours: those of its schema.

import { ChatCompletionRequest } from "./schemas/chat-completion.ts"
import { CompletionRequest } from "./schemas/completion.ts"

export const CHAT_FIELDS: ReadonlySet<string> = new Set(Object.keys(ChatCompletionRequest.properties))
export const COMPLETION_FIELDS: ReadonlySet<string> = new Set(Object.keys(CompletionRequest.properties))
