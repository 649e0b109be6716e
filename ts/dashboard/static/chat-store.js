// What the chat keeps in the browser: conversations, settings and, for the session only, the API key.

const CONVERSATIONS = "mlx-cluster.conversations"
const SETTINGS = "mlx-cluster.chat-settings"
const KEY = "mlx-cluster.api-key"
/** Conversations kept; the oldest go first. */
const CONVERSATIONS_MAX = 50
const TITLE_LENGTH = 48

const DEFAULTS = { system: "", temperature: 0.7, topP: 1, maxTokens: "", tools: "" }

function read(storage, name, fallback) {
  try {
    return JSON.parse(storage.getItem(name) ?? "null") ?? fallback
  } catch {
    return fallback
  }
}

export function apiKey() {
  return read(sessionStorage, KEY, "")
}

export function keepApiKey(key) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(key))
  } catch {
    // Without storage the key must be typed again after a reload.
  }
}

export function loadSettings() {
  return { ...DEFAULTS, ...read(localStorage, SETTINGS, {}) }
}

export function keepSettings(settings) {
  try {
    localStorage.setItem(SETTINGS, JSON.stringify(settings))
  } catch {
    // Settings then last as long as the page.
  }
}

/** Conversations, newest first: [{ id, title, messages }]. */
export function loadConversations() {
  const all = read(localStorage, CONVERSATIONS, [])
  return Array.isArray(all) ? all.filter((each) => Array.isArray(each?.messages)) : []
}

/** Keeps the newest conversations that fit the browser's quota. */
export function keepConversations(conversations) {
  let kept = conversations.filter((each) => each.messages.length > 0).slice(0, CONVERSATIONS_MAX)
  for (;;) {
    try {
      localStorage.setItem(CONVERSATIONS, JSON.stringify(kept))
      return
    } catch {
      if (kept.length === 0) return
      kept = kept.slice(0, -1)
    }
  }
}

export function newConversation() {
  return { id: crypto.randomUUID?.() ?? String(Date.now()), title: "New chat", messages: [] }
}

/** A conversation is called by its first question. */
export function titleOf(text) {
  const line = text.trim().replace(/\s+/g, " ")
  return line.length > TITLE_LENGTH ? `${line.slice(0, TITLE_LENGTH - 1)}…` : line
}
