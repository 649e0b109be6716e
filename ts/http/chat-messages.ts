// Messages and tools of an OpenAI chat request -> the engine's. Throws HttpError that names the part at fault.

import type { ChatMessage, ToolDefinition } from "../engine/index.ts"
import { HttpError } from "./error-response.ts"
import { unsupported } from "./refused-fields.ts"
import type { ChatCompletionRequest, RequestMessage } from "./schemas/chat-completion.ts"

export function chatMessages(messages: readonly RequestMessage[]): ChatMessage[] {
  return messages.map((message, index) => chatMessage(message, `messages.${index}`))
}

export function toolDefinitions(request: ChatCompletionRequest): ToolDefinition[] {
  const { tools, tool_choice: choice } = request
  if (choice === "required" || (typeof choice === "object" && choice !== null))
    throw unsupported("tool_choice", '\'tool_choice\' can be "auto" or "none" here: a call cannot be forced.')
  if (!tools || choice === "none") return []
  return tools.map(({ function: tool }, index) => {
    if (tool.strict === true)
      throw unsupported(
        `tools.${index}.function.strict`,
        "Strict tool schemas are not enforced here: leave strict out.",
      )
    return {
      name: tool.name,
      ...(tool.description ? { description: tool.description } : {}),
      ...(tool.parameters ? { parameters: tool.parameters } : {}),
    }
  })
}

function chatMessage(message: RequestMessage, path: string): ChatMessage {
  const content = contentText(message, path)
  const name = message.name ? { name: message.name } : {}
  switch (message.role) {
    case "system":
    case "developer":
      return { role: "system", content, ...name }
    case "user":
      return { role: "user", content, ...name }
    case "tool":
      if (!message.tool_call_id) throw missing(`${path}.tool_call_id`)
      return { role: "tool", content, toolCallId: message.tool_call_id, ...name }
    case "assistant":
      break
  }
  return {
    role: "assistant",
    content,
    ...name,
    ...(message.reasoning_content ? { reasoning: message.reasoning_content } : {}),
    ...(message.tool_calls && message.tool_calls.length > 0
      ? {
          toolCalls: message.tool_calls.map((call) => ({
            id: call.id,
            name: call.function.name,
            arguments: call.function.arguments,
          })),
        }
      : {}),
  }
}

function contentText(message: RequestMessage, path: string): string {
  const { content } = message
  if (typeof content === "string") return content
  if (content === null || content === undefined) {
    // An assistant that only called tools has nothing to say.
    if (message.role === "assistant") return ""
    throw missing(`${path}.content`)
  }
  return content
    .map((part, index) => {
      const text = part.type === "text" ? part.text : part.refusal
      if (text === undefined) throw missing(`${path}.content.${index}.${part.type}`)
      return text
    })
    .join("")
}

function missing(param: string): HttpError {
  return new HttpError("missing_required_parameter", `'${param}' is missing.`, { param })
}
