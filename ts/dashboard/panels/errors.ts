// What went wrong lately, newest first.

import { clockTime, isoTime } from "../format.ts"
import { html } from "../html.ts"
import { type Panel, emptyState } from "./panel.ts"

/** GET /errors gives the same ones with their causes. */
const ERRORS_SHOWN = 50

export const errors: Panel = {
  id: "errors",
  title: "Error log",
  render: ({ errors: all }) => {
    if (all.length === 0)
      return emptyState("No errors", "Failures of requests and ranks are listed here with their cause.")
    return html`
      <ol class="errors" role="list" tabindex="0" aria-label="Errors, newest first, scrollable">
        ${[...all]
          .sort((a, b) => b.time - a.time)
          .slice(0, ERRORS_SHOWN)
          .map(
            (error) => html`
              <li>
                <p class="error-head">
                  <time datetime="${isoTime(error.time)}" data-local>${clockTime(error.time)}</time>
                  <code>${error.code}</code>
                  ${error.request_id !== null && html`<span class="muted error-id">${error.request_id}</span>`}
                </p>
                <p class="error-message">${error.message}</p>
                ${error.cause !== null && html`<p class="error-cause"><b>Cause</b> ${error.cause}</p>`}
                <p class="error-cure"><b>Cure</b> ${error.cure}</p>
              </li>
            `,
          )}
      </ol>
    `
  },
}
