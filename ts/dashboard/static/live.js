// Keeps the page fresh: each server-sent event of /events is swapped into the panel it is named after, and a banner
// says when events stop. htmx holds the connection; this file knows nothing of what the panels show.

import { apiKey } from "./chat-store.js"

/** Silence after which the figures are called old. */
const STALE_MS = 6000
/** Silence after which the connection is taken for dead and made anew. */
const RECONNECT_MS = 20_000
const CHECK_MS = 1000

const main = document.getElementById("main")
const banner = document.getElementById("banner")
const root = document.documentElement

let lastEvent = performance.now()
let lastAttempt = performance.now()
let connection = null

function keep(name, value) {
  try {
    localStorage.setItem(`mlx-cluster.${name}`, value)
  } catch {
    // Storage may be forbidden or full; the choice then lasts as long as the page.
  }
}

function kept(name) {
  try {
    return localStorage.getItem(`mlx-cluster.${name}`)
  } catch {
    return null
  }
}

/** Rewrites UTC clock times into the reader's time zone. */
function localizeTimes(container) {
  for (const time of container.querySelectorAll("time[data-local]")) {
    const date = new Date(time.dateTime)
    if (Number.isNaN(date.getTime())) continue
    time.textContent = date.toLocaleTimeString([], { hourCycle: "h23" })
    time.title = date.toLocaleString()
  }
}

/** The whole snapshot comes as an event without a name, which concerns the document and no panel. */
function showSnapshot(snapshot) {
  document.body.dataset.model = snapshot.model?.id ?? ""
  const speed = snapshot.running > 0 ? `${(snapshot.history.at(-1) ?? 0).toFixed(0)} tok/s · ` : ""
  document.title = `${snapshot.state === "ready" ? "" : "⚠ "}${speed}mlx-jaccl-cluster`
}

function heard() {
  lastEvent = performance.now()
  banner.hidden = true
  root.classList.remove("stale")
}

function followPanels() {
  for (const panel of document.querySelectorAll("[id^='panel-']")) {
    const id = panel.id.slice("panel-".length)
    main.addEventListener(id, (event) => {
      if (event.target !== main || typeof event.detail?.data !== "string") return
      heard()
      void htmx.swap({ sourceElement: panel, target: panel, text: event.detail.data, swap: "innerMorph" })
    })
  }
  main.addEventListener("htmx:sse:before:message", (event) => {
    const { message } = event.detail
    if (message.event !== "") return
    event.preventDefault()
    heard()
    showSnapshot(JSON.parse(message.data))
  })
  document.addEventListener("htmx:before:swap", (event) => {
    for (const task of event.detail.tasks) {
      localizeTimes(task.fragment)
      for (const button of task.fragment.querySelectorAll(".expand")) expand(button, task.fragment)
    }
  })
}

/** Ids of the rows that the reader opened. */
const opened = new Set()

function expand(button, container) {
  const id = button.getAttribute("aria-controls")
  const row = container.querySelector(`#${CSS.escape(id)}`)
  if (row === null) return
  row.hidden = !opened.has(id)
  button.setAttribute("aria-expanded", String(!row.hidden))
}

function wireRows() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("tr")?.querySelector(".expand")
    if (!button || getSelection()?.type === "Range") return
    const id = button.getAttribute("aria-controls")
    if (!opened.delete(id)) opened.add(id)
    expand(button, document)
  })
}

function followConnection() {
  document.addEventListener("htmx:config:request", (event) => {
    const key = apiKey()
    if (key !== "") event.detail.ctx.request.headers.Authorization = `Bearer ${key}`
  })
  main.addEventListener("htmx:sse:after:connection", (event) => {
    connection = event.detail.connection
  })
  main.addEventListener("htmx:sse:close", () => {
    connection = null
  })
  // A hidden page closes its stream; the silence until it is seen again means nothing.
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) lastEvent = performance.now()
  })
  setInterval(checkSilence, CHECK_MS)
}

function checkSilence() {
  if (document.hidden) return
  const now = performance.now()
  const silence = now - lastEvent
  if (silence < STALE_MS) return
  banner.textContent = `Reconnecting… These figures are ${Math.round(silence / 1000)} s old.`
  banner.hidden = false
  root.classList.add("stale")
  if (now - lastAttempt < (connection === null ? STALE_MS : RECONNECT_MS)) return
  lastAttempt = now
  if (connection === null) void htmx.ajax("GET", "/events", { source: main })
  else connection.reader?.cancel()
}

function wireTheme() {
  const button = document.getElementById("theme")
  const themes = ["auto", "light", "dark"]
  const show = () => {
    const { theme } = root.dataset
    const name = theme[0].toUpperCase() + theme.slice(1)
    document.getElementById("theme-name").textContent = name
    button.setAttribute("aria-label", `Colour theme: ${name}`)
  }
  button.addEventListener("click", () => {
    root.dataset.theme = themes[(themes.indexOf(root.dataset.theme) + 1) % themes.length]
    keep("theme", root.dataset.theme)
    show()
  })
  show()
}

/** Remembers which cards are folded, and unfolds one that is navigated to. */
function wireCards() {
  for (const card of document.querySelectorAll("details[data-card]")) {
    const name = `folded.${card.dataset.card}`
    if (kept(name) === "yes") card.open = false
    card.addEventListener("toggle", () => keep(name, card.open ? "no" : "yes"))
  }
  const unfold = () => {
    const card = document.querySelector(`details[data-card="${CSS.escape(location.hash.slice(1))}"]`)
    if (card !== null) card.open = true
  }
  addEventListener("hashchange", unfold)
  unfold()
}

/** Marks the section in view in the navigation. */
function wireNavigation() {
  const links = new Map([...document.querySelectorAll(".top nav a")].map((link) => [link.hash.slice(1), link]))
  const visible = new Set()
  const mark = () => {
    const current = [...links.keys()].find((id) => visible.has(id))
    for (const [id, link] of links) {
      if (id === current) link.setAttribute("aria-current", "true")
      else link.removeAttribute("aria-current")
    }
  }
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        if (isIntersecting) visible.add(target.id)
        else visible.delete(target.id)
      }
      mark()
    },
    { rootMargin: "-120px 0px -50% 0px" },
  )
  for (const id of links.keys()) {
    const section = document.getElementById(id)
    if (section !== null) observer.observe(section)
  }
}

localizeTimes(document)
wireTheme()
wireCards()
wireNavigation()
wireRows()
followPanels()
followConnection()
// Only now: an event that came before its listener would be taken for markup.
main.setAttribute("hx-sse:connect", "/events")
htmx.process(main)
