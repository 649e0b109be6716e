// The last requests, newest first; each opens to its timeline. Shows prompts only where the operator asked for them.

import { clockTime, count, decimal, isoTime, milliseconds } from "../format.ts"
import { requestHealth } from "../health.ts"
import { type Html, html } from "../html.ts"
import type { RequestView } from "../snapshot.ts"
import { type Panel, badge, emptyState } from "./panel.ts"
import { timeline } from "./timeline.ts"

/** GET /requests keeps more. */
const REQUESTS_SHOWN = 50

/** Columns of the table. */
const COLUMNS = 9

/** static/live.js opens and closes the second row, and keeps it so when the panel is pushed anew. */
function row(request: RequestView): Html {
  const id = `request-${request.id}`
  return html`
    <tr>
      <td><button type="button" class="expand" aria-expanded="false" aria-controls="${id}" aria-label="Timeline of ${request.id}"></button><time datetime="${isoTime(request.time)}" data-local>${clockTime(request.time)}</time></td>
      <td class="wide-only"><span class="kind" title="${request.id}">${request.kind}</span></td>
      <td class="number wide-only">${count(request.prompt_tokens)} ${request.cached_tokens > 0 && html`<span class="muted" title="found in the prefix cache">(${count(request.cached_tokens)} cached)</span>`}</td>
      <td class="number">${count(request.completion_tokens)}</td>
      <td class="number wide-only">${milliseconds(request.ttft_ms)}</td>
      <td class="number">${milliseconds(request.latency_ms)}</td>
      <td class="number wide-only">${decimal(request.generation_tps, 1)}</td>
      <td>${badge(requestHealth(request.status), request.status)}</td>
      <td class="wide-only muted">${request.finish_reason ?? ""}</td>
    </tr>
    <tr class="more" id="${id}" hidden><td colspan="${COLUMNS}">${timeline(request)}</td></tr>
  `
}

/** A view is never changed: what was drawn for one holds for as long as it lives. */
const drawn = new WeakMap<RequestView, Html>()

function keptRow(request: RequestView): Html {
  const known = drawn.get(request) ?? row(request)
  drawn.set(request, known)
  return known
}

export const requests: Panel = {
  id: "requests",
  title: "Request history",
  render: ({ requests: all }) => {
    if (all.length === 0)
      return emptyState("No requests yet", "Ask something in the chat below, or point a client at /v1.")
    return html`
      <div class="scroll" role="region" tabindex="0" aria-label="Request history, scrollable">
        <table>
          <thead>
            <tr>
              <th scope="col">Time</th>
              <th scope="col" class="wide-only">Kind</th>
              <th scope="col" class="number wide-only">Prompt</th>
              <th scope="col" class="number">Tokens</th>
              <th scope="col" class="number wide-only">TTFT</th>
              <th scope="col" class="number">Latency</th>
              <th scope="col" class="number wide-only">Gen tok/s</th>
              <th scope="col">Status</th>
              <th scope="col" class="wide-only">Finish</th>
            </tr>
          </thead>
          <tbody>
            ${[...all]
              .sort((a, b) => b.time - a.time)
              .slice(0, REQUESTS_SHOWN)
              .map(keptRow)}
          </tbody>
        </table>
      </div>
    `
  },
}
