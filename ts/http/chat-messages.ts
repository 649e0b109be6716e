// Messages and tools of an OpenAI chat request -> the engine's. Throws HttpError that names the part at fault.

import type { ChatMessage, ToolCall, ToolDefinition } from "../engine/index.ts"
import { HttpError } from "./error-response.ts"
import type { ChatCompletionRequest, RequestMessage } from "./schemas/chat-completion.ts"

export function chatMessages(messages: readonly RequestMessage[]): ChatMessage[] {
  return messages.map((message, index) => chatMessage(message, `messages.${index}`))
}

export function toolDefinitions(request: ChatCompletionRequest): ToolDefinition[] {
  const { tools, tool_choice: choice } = request
  if (!tools || choice === "none") return []
  return tools.map(({ function: tool }) => ({
    name: tool.name,
    ...(tool.description ? { description: tool.description } : {}),
    ...(tool.parameters ? { parameters: tool.parameters } : {}),
    ...(tool.strict ? { strict: true } : {}),
  }))
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
    case "function":
      if (!message.name) throw missing(`${path}.name`)
      return { role: "tool", content, toolCallId: legacyCallId(message.name), name: message.name }
    case "assistant":
      break
  }
  const reasoning = message.reasoning_content || message.reasoning
  const toolCalls = callsOf(message)
  return {
    role: "assistant",
    content,
    ...name,
    ...(reasoning ? { reasoning } : {}),
    ...(toolCalls.length > 0 ? { toolCalls } : {}),
  }
}

function callsOf(message: RequestMessage): ToolCall[] {
  const legacy = message.function_call
  if (legacy) return [{ id: legacyCallId(legacy.name), ...legacy }]
  return (message.tool_calls ?? []).map((call) => ({
    id: call.id,
    name: call.function.name,
    arguments: call.function.arguments,
  }))
}

/** The deprecated function_call has no id: its result is known by the function's name. */
function legacyCallId(name: string): string {
  return `call_${name}`
}

function contentText(message: RequestMessage, path: string): string {
  const { content } = message
  if (typeof content === "string") return content
  if (content === null || content === undefined) {
    // An assistant that only called tools has nothing to say.
    if (message.role === "assistant") return message.refusal ?? ""
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
