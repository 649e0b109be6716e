// GET /openapi.json for machines and /docs for people, both made from the route table and the error table.

import { ERROR_TABLE } from "../error-response.ts"
import { openApiDocument } from "../openapi.ts"
import { PAGE_HEADERS } from "../page-headers.ts"
import type { Route } from "../router.ts"

export function docsRoutes(others: readonly Route[], version: string): Route[] {
  const document = JSON.stringify(openApiDocument(others, version))
  const page = docsPage(others, version)
  return [
    {
      method: "GET",
      path: "/openapi.json",
      access: "open",
      doc: { summary: "This API as an OpenAPI document.", answer: "application/json" },
      handle: (exchange) => exchange.send(200, "application/json; charset=utf-8", document),
    },
    {
      method: "GET",
      path: "/docs",
      access: "open",
      doc: { summary: "The routes, for people.", answer: "text/html; charset=utf-8" },
      handle: (exchange) => exchange.send(200, "text/html; charset=utf-8", page, PAGE_HEADERS),
    },
  ]
}

function docsPage(routes: readonly Route[], version: string): string {
  const rows = routes.map(
    ({ method, path, doc }) =>
      `<tr><td>${method}</td><td><code>${escapeHtml(path)}</code></td><td>${escapeHtml(doc.summary)}</td></tr>`,
  )
  const errors = Object.entries(ERROR_TABLE).map(
    ([code, row]) => `<tr><td>${row.status}</td><td><code>${code}</code></td><td>${escapeHtml(row.text)}</td></tr>`,
  )
  return [
    '<!doctype html><html lang="en" data-theme="auto"><head><meta charset="utf-8" />',
    '<meta name="viewport" content="width=device-width, initial-scale=1" /><title>API of mlx-jaccl-cluster</title>',
    '<link rel="icon" href="/static/icon.svg" type="image/svg+xml" />',
    ...["tokens", "base", "dashboard", "history"].map((name) => `<link rel="stylesheet" href="/static/${name}.css" />`),
    '</head><body><main><section class="card"><div class="card-body">',
    `<h1>API of mlx-jaccl-cluster ${escapeHtml(version)}</h1>`,
    '<p>Machine-readable: <a href="/openapi.json">openapi.json</a>. <a href="/">Dashboard</a>.</p>',
    `<h2>Routes</h2><table><tbody>${rows.join("")}</tbody></table>`,
    `<h2>Errors</h2><table><tbody>${errors.join("")}</tbody></table>`,
    "</div></section></main></body></html>",
  ].join("\n")
}

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;")
}
