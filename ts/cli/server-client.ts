// Requests to a running server: where it is, the key it asks, and errors as one line.

import { readFileSync } from "node:fs"
import { readBackgroundServer, stateFolder } from "./background-server.ts"
import { CommandError, type FlagValues, type Flags, UsageError } from "./command.ts"
import { text } from "./parse.ts"

const DEFAULT_URL = "http://127.0.0.1:8080"
/** A small question is answered within this. */
const ASK_TIMEOUT_MS = 5000

export const SERVER_FLAGS: Flags = {
  url: {
    type: "string",
    value: "<url>",
    help: `address of the server (default MLX_CLUSTER_URL, the one that up has started, or ${DEFAULT_URL})`,
  },
  "api-key-file": {
    type: "string",
    value: "<file>",
    help: "file whose first line is the API key (or MLX_CLUSTER_API_KEY)",
  },
}

export interface ServerAddress {
  readonly url: URL
  readonly key: string
}

export function serverAddress(flags: FlagValues): ServerAddress {
  const written = text(flags, "url") ?? process.env["MLX_CLUSTER_URL"] ?? backgroundUrl() ?? DEFAULT_URL
  const full = /^https?:\/\//.test(written) ? written : `http://${written}`
  if (!URL.canParse(full)) throw new UsageError(`--url is no address: ${JSON.stringify(written)}`)
  return { url: new URL(full), key: apiKey(text(flags, "api-key-file")) }
}

/** Of the server that `up` has started, if it is ready. */
function backgroundUrl(): string | undefined {
  const url = readBackgroundServer(stateFolder({}))?.url
  return url === "" ? undefined : url
}

function apiKey(file: string | undefined): string {
  if (file === undefined) return process.env["MLX_CLUSTER_API_KEY"] ?? ""
  try {
    const lines = readFileSync(file, "utf8").split(/\r?\n/)
    return lines.map((line) => line.trim()).find((line) => line !== "" && !line.startsWith("#")) ?? ""
  } catch (cause) {
    throw new CommandError(`the key file ${file} cannot be read`, { cause })
  }
}

export interface Answer {
  readonly status: number
  readonly body: unknown
}

/** Sends a request; throws CommandError when no server answers. The body is the caller's to read. */
export async function send(address: ServerAddress, path: string, init: RequestInit): Promise<Response> {
  const headers = new Headers(init.headers)
  if (address.key !== "") headers.set("Authorization", `Bearer ${address.key}`)
  try {
    return await fetch(new URL(path, address.url), { ...init, headers })
  } catch (cause) {
    if (init.signal?.aborted === true && init.signal.reason instanceof CommandError) throw init.signal.reason
    throw new CommandError(
      `no server answers at ${address.url.origin} (${reasonOf(cause)}); start one with mlx-cluster serve`,
      {
        cause,
      },
    )
  }
}

/** A JSON answer of any status. */
export async function ask(address: ServerAddress, path: string): Promise<Answer> {
  const response = await send(address, path, { signal: AbortSignal.timeout(ASK_TIMEOUT_MS) })
  const words = await response.text().catch(() => "")
  try {
    return { status: response.status, body: JSON.parse(words) }
  } catch {
    return { status: response.status, body: null }
  }
}

/** The server's own words for a refusal, or its status. */
export function refusal(status: number, body: unknown): CommandError {
  const error = field(body, "error")
  const message = typeof error === "string" ? error : field(error, "message")
  const hint = status === 401 ? " Give the key with --api-key-file or MLX_CLUSTER_API_KEY." : ""
  const said = typeof message === "string" ? message : `the server answered ${status}`
  return new CommandError(`${said.replace(/\s+/g, " ")}${hint}`)
}

/** A field of a value of unknown shape. */
export function field(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined
  return Object.getOwnPropertyDescriptor(value, name)?.value
}

/** Id of the model that answers when none is named. */
export async function firstModel(address: ServerAddress): Promise<string> {
  const { status, body } = await ask(address, "/v1/models")
  if (status !== 200) throw refusal(status, body)
  const data = field(body, "data")
  const id = field(Array.isArray(data) ? data[0] : null, "id")
  if (typeof id !== "string") throw new CommandError("the server has no model loaded yet; mlx-cluster status says why")
  return id
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === "TimeoutError") return `no answer within ${ASK_TIMEOUT_MS / 1000} s`
  // fetch wraps the socket's own words.
  const { cause } = error
  if (cause instanceof Error) return "code" in cause ? String(cause.code) : cause.message
  return error.message
}
