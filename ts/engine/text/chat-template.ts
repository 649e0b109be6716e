// Renders chat messages into a prompt by a model's own Jinja template, as transformers' apply_chat_template does. Knows
// no tokenizer and no thread; it can take long, so it runs in the text pool.

import { Template } from "@huggingface/jinja"
import { EngineError } from "../errors.ts"
import type { ChatMessage, Prompt, ToolDefinition } from "../generation.ts"
import { type ControlTextGuard, createControlTexts } from "./control-text.ts"
import { inTurns, resultsAfterCalls } from "./message-order.ts"
import { thinkingOptions } from "./thinking-options.ts"

export type ChatPrompt = Extract<Prompt, { kind: "chat" }>

export interface ChatTemplateSource {
  /** Jinja sources by name. */
  readonly chatTemplates: Readonly<Record<string, string>>
  /** bos_token, eos_token, ... */
  readonly specialTokens: Readonly<Record<string, string>>
  /** Texts of the tokens that a user's text must not become. */
  readonly controlTexts: readonly string[]
  /** Texts of the other added tokens that the template may write. */
  readonly markupTexts?: readonly string[]
}

export interface RenderedChat {
  readonly text: string
  /** What to encode, see ControlTextGuard. */
  readonly pieces: ReturnType<ControlTextGuard["pieces"]>
}

export interface ChatTemplate {
  render(prompt: ChatPrompt): RenderedChat
}

/** A rendered prompt may be so long, in UTF-16 units. */
const LONGEST_PROMPT = 16 << 20

/** What the template environment defines itself; an option of this name would be refused by it. */
const RESERVED = new Set(["raise_exception", "strftime_now", "range", "true", "false", "none", "True", "False", "None"])

/** Parsing dominates rendering, so each template is parsed once, when it is first needed. */
export function createChatTemplate(source: ChatTemplateSource): ChatTemplate {
  const parsed = new Map<string, Template>()
  const controlTexts = createControlTexts(source.controlTexts, source.markupTexts)

  function nameOf(withTools: boolean): string {
    return withTools && source.chatTemplates["tool_use"] !== undefined ? "tool_use" : "default"
  }

  function template(name: string): Template {
    const text = source.chatTemplates[name]
    if (text === undefined)
      throw new EngineError("invalid_template", "This model has no chat template. Use text completions.")
    const known = parsed.get(name) ?? guarded(() => new Template(text), "The model's chat template cannot be read")
    parsed.set(name, known)
    return known
  }

  /** Throws what the template throws. */
  function rendered(prompt: ChatPrompt, order: readonly ChatMessage[]): RenderedChat {
    const guard = controlTexts.guard()
    const tools = (prompt.tools ?? []).map(toolForTemplate)
    const messages = guard.hide(messagesForTemplate(order))
    const continued = prompt.continueFinalMessage === true
    const cut = `\uE002${tools.length}.${prompt.messages.length}\uE003`
    const name = nameOf(tools.length > 0)
    const chosen = template(name)
    const given = Object.entries(prompt.templateOptions ?? {}).filter(([option]) => !RESERVED.has(option))
    const options = thinkingOptions(Object.fromEntries(given), source.chatTemplates[name] ?? "")
    const variables = {
      ...options,
      ...source.specialTokens,
      messages: continued ? withCut(messages, cut) : messages,
      tools: tools.length > 0 ? guard.hide(tools) : null,
      documents: null,
      add_generation_prompt: !continued,
    }
    const whole = chosen.render(variables)
    const text = continued ? upToCut(whole, cut) : whole
    if (text.length > LONGEST_PROMPT)
      throw new EngineError("context_length_exceeded", `The rendered prompt has ${text.length} characters.`)
    return { text: guard.restore(text), pieces: guard.pieces(text) }
  }

  return {
    render(prompt) {
      const messages = resultsAfterCalls(prompt.messages)
      template(nameOf((prompt.tools ?? []).length > 0))
      return guarded(() => {
        try {
          return rendered(prompt, messages)
        } catch (error) {
          // Some templates refuse orders of roles that agents send. A simpler order says the same.
          return (
            attempt(() => rendered(prompt, inTurns(messages, true))) ??
            attempt(() => rendered(prompt, inTurns(messages, false))) ??
            raise(error)
          )
        }
      }, "The chat template could not render these messages")
    },
  }
}

function attempt<Result>(action: () => Result): Result | null {
  try {
    return action()
  } catch {
    return null
  }
}

function raise(error: unknown): never {
  throw error
}

function guarded<Result>(action: () => Result, what: string): Result {
  try {
    return action()
  } catch (cause) {
    if (cause instanceof EngineError) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new EngineError("invalid_template", `${what}: ${reason}`, { param: "messages", cause })
  }
}

/** OpenAI's shape, which templates expect. */
function toolForTemplate(tool: ToolDefinition): unknown {
  const { name, description, parameters, strict } = tool
  return {
    type: "function",
    function: {
      name,
      ...(description !== undefined && { description }),
      ...(parameters !== undefined && { parameters }),
      ...(strict !== undefined && { strict }),
    },
  }
}

/** Arguments become objects, reasoning gets its usual name, tool results the name of their tool. */
function messagesForTemplate(messages: readonly ChatMessage[]): readonly Record<string, unknown>[] {
  const names = new Map(messages.flatMap((message) => (message.toolCalls ?? []).map((call) => [call.id, call.name])))
  return messages.map((message) => {
    const name = message.name ?? (message.toolCallId === undefined ? undefined : names.get(message.toolCallId))
    return {
      role: message.role,
      content: message.content,
      ...(name !== undefined && { name }),
      ...(message.reasoning !== undefined && { reasoning_content: message.reasoning }),
      // gpt-oss: the thought before a call, which refuses to stand beside content.
      ...(message.reasoning !== undefined &&
        message.content === "" &&
        message.toolCalls !== undefined && { thinking: message.reasoning }),
      ...(message.toolCallId !== undefined && { tool_call_id: message.toolCallId }),
      ...(message.toolCalls !== undefined &&
        message.toolCalls.length > 0 && {
          tool_calls: message.toolCalls.map((call) => ({
            type: "function",
            id: call.id,
            function: { name: call.name, arguments: argumentsForTemplate(call.arguments) },
          })),
        }),
    }
  })
}

/** What is no JSON stays the text it is: the model wrote it so. */
function argumentsForTemplate(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function withCut(messages: unknown, cut: string): unknown {
  if (!Array.isArray(messages) || messages.length === 0) return messages
  const last: Record<string, unknown> = messages.at(-1)
  return [...messages.slice(0, -1), { ...last, content: `${String(last["content"])}${cut}` }]
}

/** Everything after the last message's content is left out, so that the model goes on there. */
function upToCut(rendered: string, cut: string): string {
  const at = rendered.lastIndexOf(cut)
  if (at < 0)
    throw new EngineError(
      "invalid_template",
      "The chat template does not show the last message: it cannot be continued.",
      {
        param: "messages",
      },
    )
  return rendered.slice(0, at)
}
