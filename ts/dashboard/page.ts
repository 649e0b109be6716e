// The whole page: head, navigation and one card a panel, each filled from a first snapshot. Scripts and styles are
// files of their own, so that a policy without 'unsafe-inline' holds.

import { chatCard } from "./chat-card.ts"
import { type Html, html, toText } from "./html.ts"
import { type Panel, cards, headline } from "./panels/index.ts"
import type { Snapshot } from "./snapshot.ts"

export interface PageOptions {
  /** Nonce of the response's Content-Security-Policy; needed only by a policy without 'self'. */
  readonly nonce?: string
}

const NAVIGATION: readonly (readonly [id: string, label: string])[] = [
  ["overview", "Overview"],
  ["performance", "Performance"],
  ["model", "Model"],
  ["latency", "Latency"],
  ["topology", "Topology"],
  ["link", "Link"],
  ["memory", "Memory"],
  ["requests", "Requests"],
  ["errors", "Errors"],
  ["chat", "Chat"],
]

/** In the order of the cascade. */
const STYLESHEETS = [
  "tokens.css",
  "base.css",
  "dashboard.css",
  "panels.css",
  "charts.css",
  "ranks.css",
  "history.css",
  "chat.css",
  "prose.css",
]

function card(id: string, title: string, content: Html): Html {
  return html`
    <section class="card card-${id}" id="${id}" aria-labelledby="${id}-title">
      <details open data-card="${id}">
        <summary><h2 id="${id}-title">${title}</h2></summary>
        <div class="card-body" id="panel-${id}">${content}</div>
      </details>
    </section>
  `
}

const script = (path: string, nonce: string | undefined, module: boolean): Html => html`
  <script src="/static/${path}" ${module ? html`type="module"` : html`defer`} ${nonce !== undefined && html`nonce="${nonce}"`}></script>
`

const stylesheet = (path: string, nonce: string | undefined): Html => html`
  <link rel="stylesheet" href="/static/${path}" ${nonce !== undefined && html`nonce="${nonce}"`} />
`

const logo = html`
  <svg class="logo" viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
    <rect class="logo-ground" width="32" height="32" rx="9" />
    <path class="logo-mark" d="M18.6 5.5 8.8 17.9h5.9l-1.5 8.6 9.9-12.6h-6z" />
  </svg>
`

/** The whole HTML document for GET /. */
export function renderPage(snapshot: Snapshot, options: PageOptions = {}): string {
  const { nonce } = options
  const page = html`
    <html lang="en" data-theme="auto">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="htmx-config" content="includeIndicatorCSS:false history:false" />
        <title>mlx-jaccl-cluster</title>
        <link rel="icon" href="/static/icon.svg" type="image/svg+xml" />
        ${STYLESHEETS.map((path) => stylesheet(path, nonce))}
        <script src="/static/theme.js" ${nonce !== undefined && html`nonce="${nonce}"`}></script>
        ${script("vendor/htmx.min.js", nonce, false)}
        ${script("vendor/hx-sse.min.js", nonce, false)}
        ${script("live.js", nonce, true)}
        ${script("chat.js", nonce, true)}
      </head>
      <body data-model="${snapshot.model?.id ?? ""}">
        <a class="skip" href="#main">Skip to the panels</a>
        <header class="top">
          <div class="top-row">
            <a class="brand" href="#overview">${logo}<h1>mlx-jaccl-cluster</h1></a>
            <div class="headline" id="panel-headline">${headline.render(snapshot)}</div>
            <div class="top-actions">
              <a class="button quiet" href="/docs">API docs</a>
              <button type="button" class="button quiet" id="theme" aria-label="Colour theme: Auto">
                <svg class="theme-icon" viewBox="0 0 16 16" width="15" height="15" aria-hidden="true">
                  <circle class="theme-ring" cx="8" cy="8" r="6.2" />
                  <path class="theme-half" d="M8 1.8a6.2 6.2 0 0 1 0 12.4z" />
                </svg>
                <span id="theme-name">Auto</span>
              </button>
            </div>
          </div>
          <nav aria-label="Sections">
            <ul>
              ${NAVIGATION.map(([id, label]) => html`<li><a href="#${id}">${label}</a></li>`)}
            </ul>
          </nav>
        </header>
        <div class="banner" id="banner" role="alert" hidden></div>
        <noscript><p class="banner">Figures on this page stand still: live updates and the chat need JavaScript.</p></noscript>
        <main id="main" tabindex="-1" hx-swap="none">
          ${cards.map((panel: Panel) => card(panel.id, panel.title, panel.render(snapshot)))}
          ${card("chat", "Chat", chatCard())}
        </main>
        <footer>
          <p>mlx-jaccl-cluster ${snapshot.version} · <a href="/metrics">metrics</a> · <a href="/openapi.json">openapi.json</a> · <a href="/cluster">cluster</a></p>
        </footer>
      </body>
    </html>
  `
  return `<!doctype html>${toText(page)}`
}

/** Inner HTML by panel id; each is one line, to be sent as the server-sent event named by the id. */
export function renderPanels(snapshot: Snapshot): Readonly<Record<string, string>> {
  return Object.fromEntries([headline, ...cards].map((panel) => [panel.id, toText(panel.render(snapshot))]))
}
