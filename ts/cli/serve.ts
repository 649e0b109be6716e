// `mlx-cluster serve`: flags -> ServeOptions, then the composition root does the rest.

import type { ServeOptions } from "../main.ts"
import { STATE_FLAG } from "./background-server.ts"
import { type Command, type FlagValues, UsageError } from "./command.ts"
import { choice, isSet, numeral, text, texts } from "./parse.ts"

const ISOLATIONS = ["process", "thread"] as const
const BACKENDS = ["cpu", "metal", "cuda"] as const
const TRANSPORTS = ["auto", "jaccl", "jaccl-ring", "tcp", "ring", "nccl"] as const
const NUMERICS = ["int8x2", "fp32", "int8"] as const
const SPECULATE = ["off", "ngram", "draft"] as const
const SERVERS = ["auto", "uws", "node"] as const

const PORT_MAX = 65_535
const BYTES_PER_GB = 1e9
const BYTES_PER_GIB = 2 ** 30
const MS_PER_SECOND = 1000

/** Drops what was not given. */
function given<T extends Record<string, unknown>>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const kept = Object.entries(values).filter(([, value]) => value !== undefined)
  // Object.fromEntries forgets the names of the keys.
  return Object.fromEntries(kept) as { [K in keyof T]?: Exclude<T[K], undefined> }
}

function aliasesOf(flags: FlagValues): Readonly<Record<string, string>> | undefined {
  const pairs = texts(flags, "alias").map((pair) => {
    const [name, model] = [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]
    if (!pair.includes("=") || name === "" || model === "") {
      throw new UsageError(`--alias is written name=model, not ${JSON.stringify(pair)}`)
    }
    return [name, model] as const
  })
  return pairs.length === 0 ? undefined : Object.fromEntries(pairs)
}

/** What is no number is refused by the layout, which knows how many there must be. */
function sharesOf(flags: FlagValues): ServeOptions["shares"] {
  return text(flags, "shares")?.split(",").map(Number)
}

function transportOf(flags: FlagValues): ServeOptions["transport"] {
  const name = choice(flags, "transport", TRANSPORTS)
  return name === "auto" ? undefined : name
}

const someOf = (values: readonly string[]) => (values.length === 0 ? undefined : values)
const times = (value: number | undefined, factor: number) =>
  value === undefined ? undefined : Math.round(value * factor)

/** What was given on the command line; what was not is left out, and the server's defaults hold. */
export function serveOptions(flags: FlagValues): ServeOptions {
  return {
    ...given({
      model: text(flags, "model"),
      draftModel: text(flags, "draft-model"),
      modelsFolder: text(flags, "models-dir"),
      hostfile: text(flags, "hostfile"),
      stateFolder: text(flags, "state-dir") ?? process.env["MLX_CLUSTER_STATE"],
      sshConfig: text(flags, "ssh-config"),
      controlPort: numeral(flags, "control-port", { least: 0, most: PORT_MAX, whole: true }),
      localRanks: numeral(flags, "local-ranks", { least: 1, most: 4, whole: true }),
      shares: sharesOf(flags),
      transport: transportOf(flags),
      shrinkAfterMs: times(numeral(flags, "shrink-after", { least: 0 }), MS_PER_SECOND),
      fastSynch: isSet(flags, "fast-synch") || undefined,
      isolation: choice(flags, "isolation", ISOLATIONS),
      shutdownTimeoutMs: times(numeral(flags, "shutdown-timeout", { least: 0 }), MS_PER_SECOND),
      requests: numeral(flags, "queue", { least: 1, most: 100_000, whole: true }),
      replay: isSet(flags, "no-replay") ? false : undefined,
    }),
    http: given({
      host: text(flags, "host"),
      port: numeral(flags, "port", { least: 0, most: PORT_MAX, whole: true }),
      apiKeyFile: text(flags, "api-key-file"),
      sharePrefixCache: isSet(flags, "share-prefix-cache") || undefined,
      insecure: isSet(flags, "insecure") || undefined,
      server: choice(flags, "server", SERVERS),
      acceptAnyModel: isSet(flags, "any-model") || undefined,
      aliases: aliasesOf(flags),
      allowedHosts: someOf(texts(flags, "allowed-host")),
      allowedOrigins: someOf(texts(flags, "allowed-origin")),
      requestLog: text(flags, "request-log"),
      otlpEndpoint: text(flags, "otlp-endpoint"),
      logPrompts: isSet(flags, "log-prompts") || undefined,
      thinkingBudget: numeral(flags, "thinking-budget", { least: 0, whole: true }),
      resumeWindowMs: times(numeral(flags, "resume-window", { least: 1, most: 3600 }), MS_PER_SECOND),
      maxPerClient: numeral(flags, "max-per-client", { least: 0, whole: true }),
      maxConnections: numeral(flags, "max-connections", { least: 1, most: 1_000_000, whole: true }),
    }),
    engine: given({
      numeric: choice(flags, "numeric", NUMERICS),
      threads: numeral(flags, "threads", { least: 1, most: 1024, whole: true }),
      kvBytes: times(numeral(flags, "kv-gb", { least: 0.002 }), BYTES_PER_GB),
      maxRunning: numeral(flags, "max-running", { least: 1, most: 1024, whole: true }),
      prefillChunk: numeral(flags, "prefill-chunk", { least: 1, most: 65_536, whole: true }),
      prefixCacheFolder: text(flags, "prefix-cache-dir"),
      prefixCacheDiskBytes: times(numeral(flags, "prefix-cache-disk-gib", { least: 0.01 }), BYTES_PER_GIB),
      speculate: choice(flags, "speculate", SPECULATE),
      contextLength: numeral(flags, "context", { least: 16, most: 16_777_216, whole: true }),
    }),
  }
}

export const serve: Command = {
  name: "serve",
  summary: "load a model and serve it over HTTP",
  usage: "[options]",
  flags: {
    model: {
      type: "string",
      short: "m",
      value: "<name>",
      help: "folder, .gguf file, id in the models folder, or tiny (default: the starter model)",
    },
    host: { type: "string", value: "<address>", help: "address to listen on (default 127.0.0.1)" },
    port: { type: "string", short: "p", value: "<n>", help: "port to listen on (default 8080; 0 takes a free one)" },
    "api-key-file": { type: "string", value: "<file>", help: "API keys, one a line; asked of every client" },
    "share-prefix-cache": {
      type: "boolean",
      help: "let clients of different API keys find each other's prompts in the prefix cache",
    },
    insecure: { type: "boolean", help: "allow other hosts to connect without a key" },
    "allowed-host": {
      type: "string",
      multiple: true,
      value: "<name>",
      help: "further name that the Host header may carry; may be repeated",
    },
    "allowed-origin": {
      type: "string",
      multiple: true,
      value: "<origin>",
      help: "web origin that may call the API; may be repeated",
    },
    alias: { type: "string", multiple: true, value: "<name=model>", help: "another name of a model; may be repeated" },
    "any-model": { type: "boolean", help: "answer requests for unknown models with the one served" },
    context: { type: "string", value: "<tokens>", help: "longest prompt and answer together (default: the model's)" },
    "kv-gb": { type: "string", value: "<gb>", help: "memory of the KV cache (default: what fits)" },
    "max-running": { type: "string", value: "<n>", help: "requests generated at the same time" },
    "prefix-cache-dir": {
      type: "string",
      value: "<folder>",
      help: "keep the KV of prompts and answers here, for the next start too (default: in memory only)",
    },
    "prefix-cache-disk-gib": { type: "string", value: "<gib>", help: "size of that folder at most (default 8)" },
    queue: { type: "string", value: "<n>", help: "requests that may wait or run; more are answered 503" },
    "max-per-client": { type: "string", value: "<n>", help: "requests of one client at the same time (0: no bound)" },
    "max-connections": { type: "string", value: "<n>", help: "open connections; more are answered 503 (default 2048)" },
    "prefill-chunk": { type: "string", value: "<tokens>", help: "tokens of a prompt read in one step" },
    backend: {
      type: "string",
      value: "<name>",
      help: `what computes: ${BACKENDS.join(", ")} (default: the best there is)`,
    },
    numeric: {
      type: "string",
      value: "<type>",
      help: `activations of quantized products on a CPU: ${NUMERICS.join(", ")} (fp32 is exact)`,
    },
    speculate: {
      type: "string",
      value: "<way>",
      help: "propose tokens and check several a step; changes no answer: off (default), ngram (from the text), draft",
    },
    "draft-model": {
      type: "string",
      value: "<name>",
      help: "smaller model of the same tokenizer that proposes tokens",
    },
    threads: { type: "string", value: "<n>", help: "threads of the CPU back end (default: the cores it may use)" },
    "local-ranks": {
      type: "string",
      value: "<n>",
      help: "processes of this machine that the model is split over, 1 to 4 (CPU only; default 1)",
    },
    shares: {
      type: "string",
      value: "<a,b,...>",
      help: "how large a share of the model each rank takes, such as 64,16 (default: even, or the hostfile's weights)",
    },
    transport: {
      type: "string",
      value: "<name>",
      help: `way between the ranks: ${TRANSPORTS.join(", ")} (auto: JACCL where the hostfile names cables, else TCP)`,
    },
    "shrink-after": {
      type: "string",
      value: "<s>",
      help: "go on without a host that stays away for so many seconds, if the model fits into the others (default: never)",
    },
    "fast-synch": {
      type: "boolean",
      help: "set MLX_METAL_FAST_SYNCH for the ranks: less waiting between GPU and CPU on a Mac",
    },
    isolation: { type: "string", value: "<way>", help: "where the engine runs: process (default) or thread" },
    hostfile: { type: "string", value: "<file>", help: "machines of the cluster (default: hostfile.json)" },
    "ssh-config": {
      type: "string",
      value: "<file>",
      help: "ssh configuration for the other hosts (default: your own)",
    },
    "control-port": {
      type: "string",
      value: "<n>",
      help: "port at which the other hosts' ranks reach this one (default: a free one)",
    },
    ...STATE_FLAG,
    "models-dir": { type: "string", value: "<folder>", help: "where models are looked for (default: models)" },
    "thinking-budget": {
      type: "string",
      value: "<tokens>",
      help: "tokens of thought of answers that do not say (default: no bound)",
    },
    "resume-window": {
      type: "string",
      value: "<s>",
      help: "seconds that a resumable stream is kept for a lost client (default 30)",
    },
    "shutdown-timeout": {
      type: "string",
      value: "<s>",
      help: "seconds that running requests get to finish at the end",
    },
    "no-replay": { type: "boolean", help: "do not repeat running requests after a rank was lost" },
    "request-log": { type: "string", value: "<file>", help: "write each request as a line of JSON; rotated by size" },
    "otlp-endpoint": {
      type: "string",
      value: "<url>",
      help: "send a trace of each request to an OpenTelemetry receiver",
    },
    "log-prompts": { type: "boolean", help: "keep the first 80 characters of prompts in the request history" },
    server: { type: "string", value: "<name>", help: `HTTP server: ${SERVERS.join(", ")}` },
  },
  positionals: false,
  examples: [
    ["mlx-cluster serve", "the starter model at http://127.0.0.1:8080"],
    ["mlx-cluster serve --model mlx-community/Qwen3-4B-4bit --context 16384", "a model of the models folder"],
    ["mlx-cluster serve --host 0.0.0.0 --api-key-file keys.txt", "for other machines too"],
  ],
  notes: ["Exit codes: 0 ended by a signal, 1 failed, 2 wrong command line or files."],
  async run({ flags }) {
    const options = serveOptions(flags)
    // The ranks, which are processes of their own, read it too.
    const backend = choice(flags, "backend", BACKENDS)
    if (backend !== undefined) process.env["BACKEND"] = backend
    // The composition root loads MLX's addon and the HTTP server; help must not wait for them.
    const root = await import("../main.ts")
    return root.serve(options)
  },
}
