// One streamed answer of /v1/chat/completions, as a series of parts. Knows the wire, not the page.

/** Yields the data of each server-sent event of a body. */
export async function* serverSentData(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ""
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      const lines = (rest + value).split(/\r\n|\n|\r/)
      rest = lines.pop() ?? ""
      for (const line of lines) {
        if (line.startsWith("data:")) yield line.slice(line[5] === " " ? 6 : 5)
      }
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}

async function refusal(response) {
  let message = `${response.status} ${response.statusText}`
  try {
    const { error } = await response.json()
    message = typeof error === "string" ? error : (error?.message ?? message)
  } catch {
    // Not JSON: the status has to do.
  }
  if (response.status === 401) message += " Enter the API key under Settings."
  const wait = response.headers.get("Retry-After")
  return new Error(wait === null ? message : `${message} Try again in ${wait} s.`)
}

/**
 * Yields { content, reasoning, toolCalls, finishReason, usage } parts, each field present only when the wire had it.
 * Throws an Error with the server's own words when it refuses or fails; an AbortError when stopped.
 */
export async function* streamChat(request, key, signal) {
  const headers = { "Content-Type": "application/json" }
  if (key !== "") headers.Authorization = `Bearer ${key}`
  const body = JSON.stringify({ ...request, stream: true, stream_options: { include_usage: true } })
  const response = await fetch("/v1/chat/completions", { method: "POST", headers, body, signal })
  if (!response.ok || response.body === null) throw await refusal(response)
  for await (const data of serverSentData(response.body)) {
    if (data === "[DONE]") return
    const chunk = JSON.parse(data)
    if (chunk.error !== undefined) throw new Error(chunk.error?.message ?? "The server ended the answer with an error.")
    if (chunk.usage != null) yield { usage: chunk.usage }
    const choice = chunk.choices?.[0]
    if (choice === undefined) continue
    const { delta = {}, finish_reason: finishReason } = choice
    const reasoning = delta.reasoning_content ?? delta.reasoning
    if (reasoning) yield { reasoning }
    if (delta.content) yield { content: delta.content }
    if (delta.tool_calls) yield { toolCalls: delta.tool_calls }
    if (finishReason) yield { finishReason }
  }
}

/** Adds streamed pieces of tool calls to the calls so far. */
export function addToolCalls(calls, pieces) {
  for (const piece of pieces) {
    const index = piece.index ?? 0
    calls[index] ??= { id: "", name: "", arguments: "" }
    const call = calls[index]
    if (piece.id) call.id = piece.id
    if (piece.function?.name) call.name = piece.function.name
    call.arguments += piece.function?.arguments ?? ""
  }
}

/** Messages of a conversation as the API takes them. */
export function wireMessages(system, messages) {
  const wire = system.trim() === "" ? [] : [{ role: "system", content: system }]
  for (const message of messages) {
    if (message.role === "user") wire.push({ role: "user", content: message.content })
    else if (message.role === "tool") {
      wire.push({ role: "tool", tool_call_id: message.callId, content: message.content })
    } else if (message.content !== "" || message.toolCalls.length > 0) {
      const answer = { role: "assistant", content: message.content === "" ? null : message.content }
      if (message.toolCalls.length > 0) {
        answer.tool_calls = message.toolCalls.map((call) => ({
          id: call.id,
          type: "function",
          function: { name: call.name, arguments: call.arguments },
        }))
      }
      wire.push(answer)
    }
  }
  return wire
}
