// What a panel is, and the small pieces that several panels draw alike.

import type { Health } from "../health.ts"
import { type Html, html } from "../html.ts"
import type { Snapshot } from "../snapshot.ts"

/** One part of the page: a pure function of the snapshot, pushed as the server-sent event named by its id. */
export interface Panel {
  readonly id: string
  readonly title: string
  readonly render: (snapshot: Snapshot) => Html
}

/** A coloured dot with a word: colour is never the only sign. */
export function badge(health: Health, word: string): Html {
  return html`<span class="badge ${health}"><span class="dot" aria-hidden="true"></span>${word}</span>`
}

/** What a panel says when it has nothing to show. */
export function emptyState(title: string, hint: string): Html {
  return html`<div class="empty"><p class="empty-title">${title}</p><p>${hint}</p></div>`
}

/** A term and its value in a definition list. */
export function fact(term: string, value: Html | string): Html {
  return html`<div class="fact"><dt>${term}</dt><dd>${value}</dd></div>`
}

/** A bar filled to a share 0..1, labelled for screen readers. */
export function bar(health: Health, share: number, label: string): Html {
  const width = Math.round(Math.min(1, Math.max(0, share)) * 1000) / 10
  return html`
    <svg class="bar ${health}" role="img" aria-label="${label}" width="100%" height="10">
      <rect class="bar-track" width="100%" height="10" rx="5" />
      <rect class="bar-fill" width="${width}%" height="10" rx="5" />
    </svg>
  `
}
