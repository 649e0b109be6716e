// What a caller may set of the HTTP door, with its defaults. Knows no flag and no environment variable.

import type { ServerChoice } from "./choose-server.ts"
import { LIMITS } from "./limits.ts"

export interface ServerOptions {
  /** Default 127.0.0.1. */
  readonly host?: string
  /** Default 8080; 0 asks for a free port. */
  readonly port?: number
  /** Keys that clients must show; with apiKeyFile: both. None at all: no key is asked. */
  readonly keys?: readonly string[]
  /** One key a line; empty lines and lines that begin with # are skipped. */
  readonly apiKeyFile?: string
  /** Requests of all API keys find each other's prompts in the prefix cache. Default: each key's are its own. */
  readonly sharePrefixCache?: boolean
  /** Allows a bind that other hosts can reach without any key. */
  readonly insecure?: boolean
  /** Bytes. */
  readonly bodyLimit?: number
  /** Milliseconds without an event of the engine that end a request. */
  readonly requestTimeoutMs?: number
  /** Milliseconds of byte silence after which a stream gets a comment. */
  readonly keepAliveMs?: number
  /** Bytes held back for one slow reader. */
  readonly pendingLimit?: number
  /** Milliseconds that a resumable stream is kept without a reader. */
  readonly resumeWindowMs?: number
  /** Bytes of events kept of one resumable stream. */
  readonly resumeBytes?: number
  /** Requests of one client (key, or address) at the same time; 0: no bound of its own. */
  readonly maxPerClient?: number
  /** Open connections; requests on more are answered 503. */
  readonly maxConnections?: number
  /** Further names and addresses that the Host header may carry. */
  readonly allowedHosts?: readonly string[]
  /** Origins of web pages that may call the API from a browser, as "https://app.example". */
  readonly allowedOrigins?: readonly string[]
  /** Other names under which a served model answers. */
  readonly aliases?: Readonly<Record<string, string>>
  /** Tokens of thought of a chat answer that does not say; null: as many as the model likes. */
  readonly thinkingBudget?: number | null
  /** Any unknown model name means the first model served. */
  readonly acceptAnyModel?: boolean
  readonly server?: ServerChoice
  /** File that gets one line of JSON a request. */
  readonly requestLog?: string
  /** Keeps the first characters of each prompt in the request history and its log. */
  readonly logPrompts?: boolean
  /** Base address of an OpenTelemetry receiver that gets a trace of each request. */
  readonly otlpEndpoint?: string
  /** Shown by the dashboard and the OpenAPI document. */
  readonly version?: string
}

export type Settings = Required<Omit<ServerOptions, "apiKeyFile" | "requestLog" | "otlpEndpoint">> & {
  readonly apiKeyFile: string | null
  readonly requestLog: string | null
  readonly otlpEndpoint: string | null
}

export function withDefaults(options: ServerOptions): Settings {
  return {
    host: options.host ?? "127.0.0.1",
    port: options.port ?? 8080,
    keys: options.keys ?? [],
    apiKeyFile: options.apiKeyFile ?? null,
    sharePrefixCache: options.sharePrefixCache ?? false,
    insecure: options.insecure ?? false,
    bodyLimit: options.bodyLimit ?? LIMITS.bodyBytes,
    requestTimeoutMs: options.requestTimeoutMs ?? LIMITS.stallMs,
    keepAliveMs: options.keepAliveMs ?? LIMITS.keepAliveMs,
    pendingLimit: options.pendingLimit ?? LIMITS.pendingStreamBytes,
    resumeWindowMs: options.resumeWindowMs ?? LIMITS.resumeWindowMs,
    resumeBytes: options.resumeBytes ?? LIMITS.resumeBytes,
    maxPerClient: options.maxPerClient ?? 0,
    maxConnections: options.maxConnections ?? LIMITS.connections,
    allowedHosts: options.allowedHosts ?? [],
    allowedOrigins: options.allowedOrigins ?? [],
    aliases: options.aliases ?? {},
    thinkingBudget: options.thinkingBudget ?? null,
    acceptAnyModel: options.acceptAnyModel ?? false,
    requestLog: options.requestLog ?? null,
    otlpEndpoint: options.otlpEndpoint ?? null,
    logPrompts: options.logPrompts ?? false,
    server: options.server ?? "auto",
    version: options.version ?? "0.0.0",
  }
}
