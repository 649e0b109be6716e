// The one gate before every route: which hosts a request may name, which web origins may call, and whose key it shows.
// Knows no route beyond its access class and reads no body.

import { hostname, networkInterfaces } from "node:os"
import type { ApiKeys } from "./api-keys.ts"
import { HttpError } from "./error-response.ts"
import type { PortRequest } from "./server-port.ts"

/** "open": no key asked. "key": a key, where keys are set. */
export type Access = "open" | "key"

export interface Gate {
  /** Who asks, as "key:1a2b3c4d" or "ip:127.0.0.1". Throws HttpError forbidden_host, forbidden_origin, invalid_api_key. */
  admit(request: PortRequest, access: Access): string
  /** CORS headers for a page of a configured origin; none for all others. */
  corsHeaders(request: PortRequest): Readonly<Record<string, string>>
}

export interface GateSettings {
  readonly host: string
  readonly allowedHosts: readonly string[]
  readonly allowedOrigins: readonly string[]
  readonly keys: ApiKeys
}

export function createGate(settings: GateSettings): Gate {
  const hosts = allowedHostNames(settings.host, settings.allowedHosts)
  const origins = new Set(settings.allowedOrigins.map((origin) => origin.toLowerCase()))

  const originAllowed = (origin: string): boolean => {
    const lower = origin.toLowerCase()
    if (origins.has(lower)) return true
    const match = /^https?:\/\/([^/]+)$/.exec(lower)
    return match?.[1] !== undefined && hosts.has(hostOf(match[1]))
  }

  return {
    admit(request, access) {
      const host = request.headers.get("host")
      if (host === undefined || !hosts.has(hostOf(host)))
        throw new HttpError("forbidden_host", undefined, { headers: { vary: "host" } })
      const origin = request.headers.get("origin")
      // A page of another site can post without preflight: it may neither start work nor read.
      if (origin !== undefined && !originAllowed(origin)) throw new HttpError("forbidden_origin")
      if (settings.keys.size === 0) return `ip:${request.clientAddress}`
      const shown = shownKey(request)
      const name = shown === null ? null : settings.keys.identify(shown)
      if (name !== null) return name
      if (access === "open") return `ip:${request.clientAddress}`
      throw new HttpError("invalid_api_key", shown === null ? "An API key is required." : "The API key is wrong.", {
        headers: { "www-authenticate": challenge(request) },
      })
    },
    corsHeaders(request) {
      const origin = request.headers.get("origin")
      if (origin === undefined || !origins.has(origin.toLowerCase())) return {}
      return {
        "access-control-allow-origin": origin,
        "access-control-allow-methods": "GET, HEAD, POST, DELETE, OPTIONS",
        "access-control-allow-headers": request.headers.get("access-control-request-headers") ?? "*",
        "access-control-expose-headers": "x-request-id, x-ignored-fields, x-stream-id, retry-after",
        vary: "origin",
      }
    },
  }
}

/** Throws when other hosts could reach the server and nothing protects it. */
export function refuseOpenBind(host: string, keys: ApiKeys, insecure: boolean): void {
  if (insecure || keys.size > 0 || isLoopback(host)) return
  throw new Error(
    `refusing to serve on ${host} without an API key: other hosts could use this server. ` +
      "Give an API key file, or bind to 127.0.0.1, or allow it with --insecure.",
  )
}

export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[|\]$/g, "")
  return name === "localhost" || name === "::1" || /^127(\.\d{1,3}){3}$/.test(name)
}

/**
 * Basic lets a browser ask for the key once and send it with the page, its events and its chat. One scheme at a time:
 * Chromium reads only the first of a list.
 */
function challenge(request: PortRequest): string {
  const browser = request.headers.get("accept")?.includes("text/html") ?? false
  return browser ? 'Basic realm="mlx-cluster: any name, the API key as password"' : 'Bearer realm="mlx-cluster"'
}

function shownKey(request: PortRequest): string | null {
  const header = request.headers.get("authorization")
  if (header !== undefined) {
    const bearer = /^bearer +(\S+)$/i.exec(header)?.[1]
    if (bearer !== undefined) return bearer
    const basic = /^basic +(\S+)$/i.exec(header)?.[1]
    if (basic !== undefined)
      return Buffer.from(basic, "base64")
        .toString("utf8")
        .replace(/^[^:]*:/, "")
  }
  return request.headers.get("x-api-key") ?? null
}

function allowedHostNames(bound: string, configured: readonly string[]): ReadonlySet<string> {
  const names = new Set(["localhost", "127.0.0.1", "::1", ...configured.map((name) => hostOf(name))])
  if (isWildcard(bound)) {
    names.add(hostname().toLowerCase())
    names.add(
      `${hostname()
        .toLowerCase()
        .replace(/\.local$/, "")}.local`,
    )
    for (const addresses of Object.values(networkInterfaces()))
      for (const { address } of addresses ?? []) names.add(address.toLowerCase())
  } else names.add(hostOf(bound))
  return names
}

function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || host === "::" || host === "[::]" || host === ""
}

/** The name or address of "name:port", "[::1]:port" or a bare address. */
function hostOf(authority: string): string {
  const text = authority.trim().toLowerCase()
  const bracketed = /^\[([^\]]*)\]/.exec(text)?.[1]
  if (bracketed !== undefined) return bracketed
  if (text.split(":").length > 2) return text // a bare IPv6 address
  return text.replace(/:\d*$/, "").replace(/\.$/, "")
}
