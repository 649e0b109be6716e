// Draws one message of the chat. All text of people and models goes in by textContent.

import { showMarkdown } from "./markdown.js"

function element(name, className, text = "") {
  const made = document.createElement(name)
  made.className = className
  if (text !== "") made.textContent = text
  return made
}

function button(text, action) {
  const made = element("button", "copy", text)
  made.type = "button"
  made.dataset.copy = action
  return made
}

const seconds = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`)

/** "128 tokens · 62.1 tok/s · TTFT 0.12 s · 2.06 s". */
export function statsLine(stats) {
  const parts = []
  if (stats.completionTokens != null) parts.push(`${stats.completionTokens} tokens`)
  if (stats.generationTps != null) parts.push(`${stats.generationTps.toFixed(1)} tok/s`)
  if (stats.ttftMs != null) parts.push(`TTFT ${seconds(stats.ttftMs)}`)
  if (stats.totalMs != null) parts.push(seconds(stats.totalMs))
  if (stats.cachedTokens) parts.push(`${stats.cachedTokens} prompt tokens cached`)
  if (stats.finishReason && stats.finishReason !== "stop") parts.push(stats.finishReason)
  return parts.join(" · ")
}

function prettyJson(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}

function toolCallView(call) {
  const details = element("details", "fold tool-call")
  details.open = true
  const summary = element("summary", "", "Tool call ")
  summary.append(element("code", "", call.name || "…"))
  details.append(summary, element("pre", "", prettyJson(call.arguments)))
  return details
}

/** A place to type what each called tool answered. */
function resultForm(calls) {
  const form = element("form", "tool-results")
  for (const call of calls) {
    const label = element("label", "field")
    label.append(element("span", "", `Result of ${call.name}`))
    const input = element("textarea", "mono")
    input.name = call.id
    input.rows = 2
    input.required = true
    label.append(input)
    form.append(label)
  }
  const send = element("button", "button", "Send results")
  send.type = "submit"
  form.append(send)
  return form
}

function simpleView(message) {
  const article = element("article", `message ${message.role}`)
  article.setAttribute("aria-label", message.role === "user" ? "You" : "Tool result")
  const body = element("div", "bubble", message.content)
  if (message.role === "tool") article.append(element("p", "caption", `Result of ${message.name}`))
  article.append(body)
  return { article, update() {} }
}

function assistantView(message) {
  const article = element("article", "message assistant")
  article.setAttribute("aria-label", "Answer")
  const reasoning = element("details", "fold reasoning")
  const reasoningTitle = element("summary", "")
  const reasoningText = element("div", "reasoning-text")
  reasoning.append(reasoningTitle, reasoningText)
  const text = element("div", "prose")
  const waiting = element("p", "waiting", "Waiting for the first token")
  const calls = element("div", "tool-calls")
  const problem = element("p", "problem")
  const foot = element("div", "message-foot")
  const stats = element("span", "stats")
  foot.append(stats, button("Copy", "message"), button("Again", "again"))
  article.append(reasoning, text, waiting, calls, problem, foot)
  let callsShown = ""

  function update({ streaming = false, last = false } = {}) {
    reasoning.hidden = message.reasoning === ""
    const thinking = streaming && message.content === "" && message.toolCalls.length === 0
    reasoningTitle.textContent = thinking ? "Thinking…" : "Reasoning"
    if (reasoningText.textContent !== message.reasoning) reasoningText.textContent = message.reasoning
    if (!reasoning.hidden && thinking && reasoning.dataset.touched === undefined) {
      reasoning.dataset.touched = "auto"
      reasoning.open = true
    } else if (!thinking && reasoning.dataset.touched === "auto") {
      reasoning.dataset.touched = "done"
      reasoning.open = false
    }
    showMarkdown(text, message.content)
    text.classList.toggle("streaming", streaming && message.content !== "")
    waiting.hidden = !streaming || message.content !== "" || message.reasoning !== "" || message.toolCalls.length > 0
    const open = last && !streaming && message.toolCalls.length > 0
    const state = JSON.stringify([message.toolCalls, open])
    if (state !== callsShown) {
      callsShown = state
      calls.replaceChildren(...message.toolCalls.filter(Boolean).map(toolCallView))
      if (open) calls.append(resultForm(message.toolCalls))
    }
    problem.hidden = message.error === ""
    problem.textContent = message.error
    foot.hidden = streaming
    stats.textContent = statsLine(message.stats)
  }
  return { article, update }
}

/** { article, update({ streaming, last }) } of a message. */
export function messageView(message) {
  return message.role === "assistant" ? assistantView(message) : simpleView(message)
}
