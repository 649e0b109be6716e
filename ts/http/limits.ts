// Every bound of the HTTP door, with its unit and reason. Options may lower or raise those that ServerOptions names.

export const LIMITS = {
  /** Request line and headers together. uWS reads it from the environment when it loads, node:http from its options. */
  headerBytes: 16 * 1024,
  /** Default of ServerOptions.bodyLimit. */
  bodyBytes: 8 * 1024 * 1024,
  /** Silence while a body arrives after which the client is given up. */
  bodySilenceMs: 15_000,
  /** A refused body is read and thrown away for so long, so that the client sees the answer and not a reset. */
  lingerMs: 2_000,
  jsonDepth: 128,
  messages: 4_096,
  contentParts: 1_024,
  tools: 256,
  toolNameChars: 128,
  stopStrings: 16,
  stopChars: 512,
  choices: 16,
  /** Prompts of one /v1/completions request, and prompts x n. */
  prompts: 64,
  topLogprobs: 20,
  temperature: 2,
  maxTokens: 10_000_000,
  modelNameChars: 256,
  requestIdChars: 128,
  /** Text waiting in this process for one slow reader; above it the request is cancelled and the socket closed. */
  pendingStreamBytes: 1024 * 1024,
  /** Byte silence on a stream after which a comment is sent, so that proxies keep the connection. */
  keepAliveMs: 5_000,
  /** No event of the engine for so long ends a request with an error. */
  stallMs: 600_000,
  /** Node only; uWS has its own fixed ten seconds. */
  headersTimeoutMs: 10_000,
  keepAliveIdleMs: 65_000,
  requestHistory: 200,
  errorHistory: 50,
  /** Of the history, so many go out with every event of the dashboard. */
  snapshotRequests: 50,
  historySeconds: 60,
  /** Dashboards that may watch at the same time. */
  viewers: 64,
  snapshotMs: 1_000,
  /** Time to the first token above which the history calls a request slow. */
  slowFirstTokenMs: 10_000,
  apiKeys: 256,
  apiKeyFileBytes: 64 * 1024,
  apiKeyChars: 256,
  /** Unknown fields that the x-ignored-fields header names. */
  ignoredFieldsNamed: 16,
  validationErrors: 64,
} as const
