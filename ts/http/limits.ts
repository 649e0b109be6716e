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
  /** Arrays and objects inside each other in a body. */
  jsonDepth: 128,
  /** Values of a body. Eight megabytes of tiny arrays would hold the main thread for 0.4 s; so many take 0.1 s. */
  jsonValues: 500_000,
  /** Messages of one conversation. */
  messages: 4_096,
  /** Parts of one message. */
  contentParts: 1_024,
  /** Tools of one request, and calls of one message. */
  tools: 256,
  /** Length of a tool name. */
  toolNameChars: 128,
  /** Stop strings of one request. */
  stopStrings: 16,
  /** Length of one stop string. */
  stopChars: 512,
  /** Token ids in stop_token_ids. */
  stopTokens: 64,
  /** `n`: answers to one prompt. */
  choices: 16,
  /** Prompts of one /v1/completions request, and prompts times n. */
  prompts: 64,
  /** Token ids of one /detokenize. */
  detokenizeIds: 262_144,
  /** Alternatives a token. */
  topLogprobs: 20,
  /** Highest temperature. */
  temperature: 2,
  /** Largest presence_penalty and frequency_penalty, up or down. */
  penalty: 2,
  /** Highest repetition_penalty. */
  repetitionPenalty: 100,
  /** Largest logit_bias of a token, up or down. */
  logitBias: 100,
  /** Tokens of one logit_bias. */
  logitBiasTokens: 1_024,
  /** Highest max_tokens that is read; the context bounds it further. */
  maxTokens: 10_000_000,
  /** Length of a model name. */
  modelNameChars: 256,
  /** An x-request-id longer than this is not echoed. */
  requestIdChars: 128,
  /** Text waiting in this process for one slow reader; above it the request is cancelled and the socket closed. */
  pendingStreamBytes: 1024 * 1024,
  /** Byte silence on a stream after which a comment is sent, so that proxies keep the connection. */
  keepAliveMs: 5_000,
  /** No event of the engine for so long ends a request with an error. */
  stallMs: 600_000,
  /** Default of ServerOptions.maxConnections: open connections, idle ones and WebSockets among them. */
  connections: 2_048,
  /** So many more are taken to be told 503; others are cut at once. */
  refusedConnections: 128,
  /** Node only; uWS has its own fixed ten seconds. */
  headersTimeoutMs: 10_000,
  /** Default of ServerOptions.resumeWindowMs: a resumable stream that nobody reads is kept so long. */
  resumeWindowMs: 30_000,
  /** Default of ServerOptions.resumeBytes: events kept of one resumable stream. */
  resumeBytes: 2 * 1024 * 1024,
  /** Events kept of all resumable streams; above it the one that has waited longest is given up. */
  resumeTotalBytes: 64 * 1024 * 1024,
  /** Resumable streams that run or are kept; above it the one that has waited longest is given up. */
  resumableStreams: 1_024,
  /** WebSockets open at the same time. */
  sockets: 256,
  /** Requests that run at the same time on one WebSocket. */
  socketRequests: 64,
  /** Length of a request id that a client gives on a WebSocket. */
  socketIdChars: 128,
  /** A WebSocket that is silent for so long, pongs included, is closed; a multiple of 4,000 for uWS. */
  socketIdleMs: 60_000,
  /** An idle connection is kept so long (node:http; uWS has its own). */
  keepAliveIdleMs: 65_000,
  /** Requests in GET /requests. */
  requestHistory: 200,
  /** Errors in GET /errors. */
  errorHistory: 50,
  /** Requests in every event of GET /events. */
  snapshotRequests: 50,
  /** Seconds of token history on the dashboard. */
  historySeconds: 60,
  /** Dashboards that may watch at the same time. */
  viewers: 64,
  /** Between two events of GET /events. */
  snapshotMs: 1_000,
  /** Snapshots between two that carry the histograms, over a WebSocket. */
  histogramTicks: 5,
  /** Time to the first token above which the history calls a request slow. */
  slowFirstTokenMs: 10_000,
  /** Size of the request log on disk at which it is rotated. */
  requestLogBytes: 16 * 1024 * 1024,
  /** Files of the request log that are kept, the current one among them. */
  requestLogFiles: 5,
  /** Entries that wait for a slow disk; more are lost. */
  requestLogPendingBytes: 1024 * 1024,
  /** Spans that wait for a trace receiver; more are dropped. A request has five. */
  traceSpans: 4_096,
  /** Between two sendings of traces. */
  traceIntervalMs: 2_000,
  /** How long a trace receiver may take, repetitions included. */
  traceExportMs: 2_000,
  /** How long the server waits at its end for the traces that are under way. */
  traceCloseMs: 3_000,
  /** Characters of a prompt that are kept where the operator asked for it. */
  promptExcerptChars: 80,
  /** Lines in GET /logs. */
  logLines: 2_000,
  /** Length of one line there. */
  logLineChars: 2_000,
  /** Length of a cache_salt. */
  cacheSaltChars: 256,
  /** Keys that a server knows. */
  apiKeys: 256,
  /** Size of a key file. */
  apiKeyFileBytes: 64 * 1024,
  /** Length of a key. */
  apiKeyChars: 256,
  /** Unknown fields that the x-ignored-fields header names. */
  ignoredFieldsNamed: 16,
  /** Schema faults that are gathered before the nearest one is reported. */
  validationErrors: 64,
} as const
