// Conversations as agents send them -> conversations that chat templates show rightly. Knows no template.

import type { ChatMessage } from "../generation.ts"

/**
 * Results stand behind the message that called for them, in the order of its calls: many templates write no ids, and a
 * model then takes the first result for that of the first call. Agents send them in the order in which they were ready,
 * sometimes with a user message between them.
 */
export function resultsAfterCalls(messages: readonly ChatMessage[]): readonly ChatMessage[] {
  if (!messages.some((message) => message.role === "tool")) return messages
  const ordered: ChatMessage[] = []
  for (let at = 0; at < messages.length; ) {
    const message = messages[at++]
    if (message === undefined) break
    ordered.push(message)
    const calls = message.role === "assistant" ? (message.toolCalls ?? []) : []
    if (calls.length === 0) continue
    const end = messages.findIndex((later, index) => index >= at && later.role === "assistant")
    const turn = messages.slice(at, end < 0 ? messages.length : end)
    at += turn.length
    const place = new Map(calls.map(({ id }, index) => [id, index]))
    const placeOf = (one: ChatMessage) => (one.role === "tool" ? place.get(one.toolCallId ?? "") : undefined)
    const results = turn.filter((one) => placeOf(one) !== undefined)
    results.sort((a, b) => (placeOf(a) ?? 0) - (placeOf(b) ?? 0))
    ordered.push(...results, ...turn.filter((one) => placeOf(one) === undefined))
  }
  return ordered
}

/**
 * For templates that ask for one system message or none, and for user and assistant in turns: the system messages at the
 * beginning become one, others speak as the user, and neighbours of one role become one message.
 */
export function inTurns(messages: readonly ChatMessage[], knowsSystem: boolean): readonly ChatMessage[] {
  const turns: ChatMessage[] = []
  for (const message of messages) {
    const last = turns.at(-1)
    const leads = knowsSystem && (last === undefined || last.role === "system")
    const next: ChatMessage = message.role === "system" && !leads ? { ...message, role: "user" } : message
    if (last !== undefined && last.role === next.role && next.role !== "tool")
      turns[turns.length - 1] = join(last, next)
    else turns.push(next)
  }
  return turns
}

function join(first: ChatMessage, second: ChatMessage): ChatMessage {
  const content = [first.content, second.content].filter((text) => text !== "").join("\n\n")
  const reasoning = [first.reasoning ?? "", second.reasoning ?? ""].filter((text) => text !== "").join("\n\n")
  const toolCalls = [...(first.toolCalls ?? []), ...(second.toolCalls ?? [])]
  return {
    ...first,
    ...second,
    content,
    ...(reasoning === "" ? {} : { reasoning }),
    ...(toolCalls.length === 0 ? {} : { toolCalls }),
  }
}
