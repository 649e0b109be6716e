// `mlx-cluster generate`: one prompt to a running server, the answer as it comes.

import { text as readAll } from "node:stream/consumers"
import { type Command, CommandError, EXIT, UsageError } from "./command.ts"
import { isSet, numeral, text } from "./parse.ts"
import { SERVER_FLAGS, field, firstModel, refusal, send, serverAddress } from "./server-client.ts"
import { serverSentData } from "./server-sent-data.ts"
import { printable } from "./terminal.ts"

/** Silence after which the server is given up; it sends a comment every few seconds while it works. */
const SILENCE_MS = 60_000

interface Outcome {
  readonly tokens: number | null
  readonly finishReason: string | null
  /** Milliseconds from the request to the first text, and to the last. */
  readonly firstMs: number
  readonly lastMs: number
}

async function promptOf(positionals: readonly string[]): Promise<string> {
  const words = positionals.filter((word) => word !== "-").join(" ")
  const piped =
    positionals.includes("-") || (positionals.length === 0 && !process.stdin.isTTY) ? await readAll(process.stdin) : ""
  const prompt = [words, piped.trim()].filter((part) => part !== "").join("\n\n")
  if (prompt === "") throw new UsageError("there is no prompt: write it after generate, or pipe it in")
  return prompt
}

/** Writes to a stream that may be a closed pipe. */
function write(stream: NodeJS.WriteStream, words: string): void {
  if (stream.writable) stream.write(stream.isTTY ? printable(words) : words)
}

async function stream(response: Response, touch: () => void, showReasoning: boolean): Promise<Outcome> {
  const start = performance.now()
  let [firstMs, lastMs] = [0, 0]
  let tokens: number | null = null
  let finishReason: string | null = null
  let ended = false
  let last = ""
  for await (const data of serverSentData(response.body, touch)) {
    if (data === "[DONE]") {
      ended = true
      break
    }
    const chunk: unknown = JSON.parse(data)
    if (field(chunk, "error") !== undefined) throw refusal(response.status, chunk)
    const completion = field(field(chunk, "usage"), "completion_tokens")
    if (typeof completion === "number") tokens = completion
    const choices = field(chunk, "choices")
    const choice: unknown = Array.isArray(choices) ? choices[0] : null
    const reason = field(choice, "finish_reason")
    if (typeof reason === "string") finishReason = reason
    const delta = field(choice, "delta")
    const reasoning = field(delta, "reasoning_content")
    const content = field(delta, "content")
    if (typeof reasoning === "string" || typeof content === "string") {
      lastMs = performance.now() - start
      firstMs ||= lastMs
    }
    if (typeof reasoning === "string" && showReasoning) write(process.stderr, reasoning)
    if (typeof content === "string" && content !== "") {
      write(process.stdout, content)
      last = content
    }
    if (!process.stdout.writable) break
  }
  if (!last.endsWith("\n")) write(process.stdout, "\n")
  if (!ended && process.stdout.writable)
    throw new CommandError("the server ended the answer early; mlx-cluster status says why")
  return { tokens, finishReason, firstMs, lastMs }
}

function statistics({ tokens, finishReason, firstMs, lastMs }: Outcome): string {
  const parts = [`${tokens ?? "?"} tokens`]
  // The first token's time belongs to the prompt.
  if (tokens !== null && tokens > 1 && lastMs > firstMs) {
    parts.push(`${((tokens - 1) / ((lastMs - firstMs) / 1000)).toFixed(1)} tok/s`)
  }
  parts.push(`first after ${(firstMs / 1000).toFixed(2)} s`, finishReason ?? "unfinished")
  return parts.join(" · ")
}

export const generate: Command = {
  name: "generate",
  summary: "send a prompt to a running server and stream the answer",
  usage: "[options] [prompt]",
  flags: {
    model: { type: "string", short: "m", value: "<id>", help: "model to ask (default: the first one served)" },
    system: { type: "string", short: "s", value: "<text>", help: "system prompt" },
    "max-tokens": { type: "string", short: "n", value: "<n>", help: "tokens of the answer at most" },
    temperature: { type: "string", short: "t", value: "<x>", help: "0 to 2; 0 always takes the likeliest token" },
    "top-p": { type: "string", value: "<x>", help: "0 to 1: share of the likeliest tokens to choose from" },
    seed: { type: "string", value: "<n>", help: "equal seeds give equal answers" },
    reasoning: { type: "boolean", help: "show the model's reasoning on standard error" },
    stats: { type: "boolean", help: "show tokens and speed on standard error at the end" },
    ...SERVER_FLAGS,
  },
  positionals: true,
  examples: [
    [`mlx-cluster generate "Why is the sky blue?"`, "ask the server on this machine"],
    [`mlx-cluster generate --temperature 0 --stats "Count to ten."`, "repeatable, with its speed"],
    [`git diff | mlx-cluster generate "Write a commit message for this:" -`, "a question about what is piped in"],
  ],
  notes: ["Exit codes: 0 answered, 1 failed or no server, 2 wrong command line, 130 interrupted."],
  async run({ flags, positionals }) {
    const address = serverAddress(flags)
    const temperature = numeral(flags, "temperature", { least: 0, most: 2 })
    const topP = numeral(flags, "top-p", { least: 0, most: 1 })
    const maxTokens = numeral(flags, "max-tokens", { least: 1, whole: true })
    const seed = numeral(flags, "seed", { least: 0, whole: true })
    const prompt = await promptOf(positionals)
    const system = text(flags, "system")
    const request = {
      model: text(flags, "model") ?? (await firstModel(address)),
      messages: [
        ...(system === undefined ? [] : [{ role: "system", content: system }]),
        { role: "user", content: prompt },
      ],
      stream: true,
      stream_options: { include_usage: true },
      ...(temperature === undefined ? {} : { temperature }),
      ...(topP === undefined ? {} : { top_p: topP }),
      ...(maxTokens === undefined ? {} : { max_tokens: maxTokens }),
      ...(seed === undefined ? {} : { seed }),
    }

    const abort = new AbortController()
    let interrupted = false
    const interrupt = () => {
      interrupted = true
      abort.abort()
    }
    const silent = () => abort.abort(new CommandError(`the server was silent for ${SILENCE_MS / 1000} s`))
    let timer = setTimeout(silent, SILENCE_MS)
    const touch = () => {
      clearTimeout(timer)
      timer = setTimeout(silent, SILENCE_MS)
    }
    // A reader such as `head` may close the pipe; that ends the answer and is no error.
    process.stdout.on("error", () => abort.abort())
    process.once("SIGINT", interrupt)
    try {
      const response = await send(address, "/v1/chat/completions", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(request),
        signal: abort.signal,
      })
      if (!response.ok) throw refusal(response.status, await response.json().catch(() => null))
      const outcome = await stream(response, touch, isSet(flags, "reasoning"))
      if (isSet(flags, "stats")) console.error(statistics(outcome))
      return EXIT.ok
    } catch (error) {
      if (interrupted) return EXIT.interrupted
      if (abort.signal.reason instanceof CommandError) throw abort.signal.reason
      if (abort.signal.aborted) return EXIT.ok
      throw error
    } finally {
      clearTimeout(timer)
      process.off("SIGINT", interrupt)
    }
  },
}
