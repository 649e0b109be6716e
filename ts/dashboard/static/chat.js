// The chat: joins the form, the kept conversations and the stream. What a message looks like is chat-message.js's.

import { messageView } from "./chat-message.js"
import * as store from "./chat-store.js"
import { addToolCalls, streamChat, wireMessages } from "./chat-stream.js"

const byId = (id) => document.getElementById(id)
const log = byId("chat-log")
const form = byId("chat-form")
const input = byId("chat-input")
const send = byId("chat-send")
const stop = byId("chat-stop")
const list = byId("chat-list")
const announce = byId("chat-announce")

/** Distance from the end within which the log follows the answer. */
const FOLLOW_PX = 80
const INPUT_HEIGHT_MAX = 220
const COPIED_MS = 1500

let conversations = store.loadConversations()
if (conversations.length === 0) conversations = [store.newConversation()]
let current = conversations[0]
let running = null
let views = []

function showList() {
  const options = conversations.map((each) => {
    const option = new Option(each.title, each.id)
    option.selected = each === current
    return option
  })
  list.replaceChildren(...options)
}

const examples = [
  "What is the capital of France?",
  "Explain tensor parallelism in three sentences.",
  "Write a haiku about a fast cable.",
]

function emptyChat() {
  const box = document.createElement("div")
  box.className = "chat-empty"
  const title = document.createElement("p")
  title.className = "empty-title"
  title.textContent = "Try the model"
  const buttons = examples.map((example) => {
    const made = document.createElement("button")
    made.type = "button"
    made.className = "button example"
    made.textContent = example
    made.addEventListener("click", () => ask(example))
    return made
  })
  box.append(title, ...buttons)
  return box
}

const isLast = (index) => index === current.messages.length - 1

function showConversation() {
  views = current.messages.map(messageView)
  for (const [index, view] of views.entries()) view.update({ last: isLast(index) })
  log.replaceChildren(...(views.length === 0 ? [emptyChat()] : views.map((view) => view.article)))
  log.scrollTop = log.scrollHeight
}

function append(message) {
  if (current.messages.length === 0) log.replaceChildren()
  current.messages.push(message)
  const view = messageView(message)
  views.push(view)
  views.at(-2)?.update({})
  log.append(view.article)
  log.scrollTop = log.scrollHeight
  return view
}

function following(change) {
  const near = log.scrollHeight - log.scrollTop - log.clientHeight < FOLLOW_PX
  change()
  if (near) log.scrollTop = log.scrollHeight
}

/** The model that the page shows; asked of the server when the page was drawn before one was loaded. */
async function modelId() {
  if (document.body.dataset.model) return document.body.dataset.model
  const key = store.apiKey()
  const response = await fetch("/v1/models", key === "" ? {} : { headers: { Authorization: `Bearer ${key}` } })
  const body = await response.json()
  const id = body.data?.[0]?.id
  if (id === undefined) throw new Error(body.error?.message ?? "No model is loaded yet. Try again in a moment.")
  return id
}

async function chatRequest() {
  const settings = readSettings()
  const request = {
    model: await modelId(),
    messages: wireMessages(settings.system, current.messages.slice(0, -1)),
    temperature: settings.temperature,
    top_p: settings.topP,
  }
  const maxTokens = Number.parseInt(settings.maxTokens, 10)
  if (maxTokens > 0) request.max_tokens = maxTokens
  if (settings.tools.trim() !== "") {
    let tools = null
    try {
      tools = JSON.parse(settings.tools)
    } catch (cause) {
      throw new Error(`The tools under Settings are not JSON: ${cause.message}`, { cause })
    }
    if (Array.isArray(tools) && tools.length > 0) request.tools = tools
  }
  return request
}

function finishStats(stats, times) {
  if (times.first === 0) return
  stats.ttftMs = times.first - times.start
  stats.totalMs = times.last - times.start
  const more = (stats.completionTokens ?? 0) - 1
  // The first token's time is prefill's, so it is left out of the rate.
  if (more > 0 && times.last > times.first) stats.generationTps = more / ((times.last - times.first) / 1000)
}

async function readAnswer(message, view, signal) {
  const times = { start: 0, first: 0, last: 0 }
  let frame = 0
  const draw = () => {
    frame = 0
    following(() => view.update({ streaming: true, last: true }))
  }
  try {
    const request = await chatRequest()
    times.start = performance.now()
    for await (const part of streamChat(request, store.apiKey(), signal)) {
      if (part.usage !== undefined) {
        message.stats.completionTokens = part.usage.completion_tokens
        message.stats.cachedTokens = part.usage.prompt_tokens_details?.cached_tokens
        continue
      }
      if (part.finishReason !== undefined) {
        message.stats.finishReason = part.finishReason
        continue
      }
      times.last = performance.now()
      if (times.first === 0) times.first = times.last
      message.content += part.content ?? ""
      message.reasoning += part.reasoning ?? ""
      if (part.toolCalls !== undefined) addToolCalls(message.toolCalls, part.toolCalls)
      if (frame === 0) frame = requestAnimationFrame(draw)
    }
  } finally {
    cancelAnimationFrame(frame)
    finishStats(message.stats, times)
  }
}

async function answer() {
  const conversation = current
  const message = { role: "assistant", content: "", reasoning: "", toolCalls: [], error: "", stats: {} }
  const view = append(message)
  view.update({ streaming: true, last: true })
  running = new AbortController()
  showRunning(true)
  try {
    await readAnswer(message, view, running.signal)
    announce.textContent = "The answer is complete."
  } catch (error) {
    if (error.name === "AbortError") message.stats.finishReason = "stopped"
    else message.error = error.message || String(error)
    announce.textContent = message.error === "" ? "Stopped." : `The answer failed: ${message.error}`
  } finally {
    running = null
    showRunning(false)
    following(() => view.update({ last: conversation === current && current.messages.at(-1) === message }))
    store.keepConversations(conversations)
  }
}

function showRunning(yes) {
  send.hidden = yes
  stop.hidden = !yes
  list.disabled = yes
  byId("chat-new").disabled = yes
  byId("chat-delete").disabled = yes
}

function ask(text) {
  if (running !== null || text.trim() === "") return
  if (current.messages.length === 0) current.title = store.titleOf(text)
  // The conversation in use is the newest.
  conversations = [current, ...conversations.filter((each) => each !== current)]
  showList()
  append({ role: "user", content: text })
  void answer()
}

function again(article) {
  const index = views.findIndex((view) => view.article === article)
  if (running !== null || index < 0) return
  current.messages.length = index
  showConversation()
  if (current.messages.length > 0) void answer()
}

function sendResults(article, data) {
  const call = views.findIndex((view) => view.article === article)
  if (running !== null || call < 0) return
  for (const { id, name } of current.messages[call].toolCalls) {
    append({ role: "tool", callId: id, name, content: String(data.get(id) ?? "") })
  }
  void answer()
}

const fields = {
  system: "chat-system",
  temperature: "chat-temperature",
  topP: "chat-top-p",
  maxTokens: "chat-max-tokens",
  tools: "chat-tools",
}

function readSettings() {
  const settings = Object.fromEntries(Object.entries(fields).map(([name, id]) => [name, byId(id).value]))
  return { ...settings, temperature: Number(settings.temperature), topP: Number(settings.topP) }
}

function showSettingValues() {
  byId("chat-temperature-value").textContent = Number(byId("chat-temperature").value).toFixed(2)
  byId("chat-top-p-value").textContent = Number(byId("chat-top-p").value).toFixed(2)
}

function wireSettings() {
  const settings = store.loadSettings()
  for (const [name, id] of Object.entries(fields)) byId(id).value = settings[name]
  byId("chat-key").value = store.apiKey()
  byId("chat-key").addEventListener("change", (event) => store.keepApiKey(event.target.value.trim()))
  byId("chat-settings").addEventListener("input", () => {
    showSettingValues()
    store.keepSettings(readSettings())
  })
  byId("chat-settings-form").addEventListener("submit", (event) => event.preventDefault())
  showSettingValues()
}

function wireConversations() {
  list.addEventListener("change", () => {
    current = conversations.find((each) => each.id === list.value) ?? current
    showConversation()
  })
  byId("chat-new").addEventListener("click", () => {
    if (current.messages.length > 0) {
      current = store.newConversation()
      conversations = [current, ...conversations]
    }
    showList()
    showConversation()
    input.focus()
  })
  byId("chat-delete").addEventListener("click", () => {
    conversations = conversations.filter((each) => each !== current)
    if (conversations.length === 0) conversations = [store.newConversation()]
    current = conversations[0]
    store.keepConversations(conversations)
    showList()
    showConversation()
  })
}

function resizeInput() {
  input.rows = Math.min(8, Math.max(1, input.value.split("\n").length))
  // A long line wraps: rows grow with what does not fit.
  while (input.scrollHeight > input.clientHeight + 2 && input.clientHeight < INPUT_HEIGHT_MAX) input.rows++
}

function wireForm() {
  form.addEventListener("submit", (event) => {
    event.preventDefault()
    const text = input.value
    if (running !== null || text.trim() === "") return
    input.value = ""
    resizeInput()
    ask(text)
  })
  input.addEventListener("input", resizeInput)
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault()
      form.requestSubmit()
    }
    if (event.key === "Escape") running?.abort()
  })
  stop.addEventListener("click", () => {
    running?.abort()
    input.focus()
  })
}

async function copy(button, text) {
  try {
    await navigator.clipboard.writeText(text)
    button.textContent = "Copied"
  } catch {
    button.textContent = "Not allowed"
  }
  setTimeout(() => {
    button.textContent = "Copy"
  }, COPIED_MS)
}

function wireLog() {
  log.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-copy]")
    if (button === null || button === undefined) return
    const article = button.closest(".message")
    if (button.dataset.copy === "again") again(article)
    else if (button.dataset.copy === "code")
      void copy(button, button.closest(".code-block").querySelector("pre").textContent)
    else void copy(button, current.messages[views.findIndex((view) => view.article === article)]?.content ?? "")
  })
  log.addEventListener("submit", (event) => {
    event.preventDefault()
    sendResults(event.target.closest(".message"), new FormData(event.target))
  })
}

wireSettings()
wireConversations()
wireForm()
wireLog()
showList()
showConversation()
