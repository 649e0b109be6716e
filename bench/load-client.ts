// A load generator for any server with POST /v1/completions: streams, and stamps every chunk. Metric definitions are
// those of vLLM's benchmark: ttft = first chunk with choices, itl = gap between text chunks, tpot = (end - first) / (n - 1).

import { request as httpRequest } from "node:http"

export interface LoadOptions {
  readonly url: string
  readonly model: string
  readonly concurrency: number
  readonly prompts: readonly string[]
  readonly maxTokens: number
  /** Extra body fields, such as ignore_eos. */
  readonly body?: Readonly<Record<string, unknown>>
}

export interface RequestSample {
  readonly ttftMs: number
  readonly totalMs: number
  readonly promptTokens: number
  readonly completionTokens: number
  readonly gapsMs: readonly number[]
}

export interface LoadResult {
  readonly wallMs: number
  readonly samples: readonly RequestSample[]
  /** Completion tokens of all streams / wall clock. */
  readonly outputTps: number
  /** The same from the first token of the last stream to start until the first stream ended: decode without prefill. */
  readonly decodeTps: number
}

interface Chunk {
  readonly choices?: readonly { readonly text?: string }[]
  readonly usage?: { readonly prompt_tokens?: number; readonly completion_tokens?: number } | null
}

interface Stamped extends RequestSample {
  readonly stampsMs: readonly number[]
}

function one(options: LoadOptions, prompt: string): Promise<Stamped> {
  const body = JSON.stringify({
    model: options.model,
    prompt,
    max_tokens: options.maxTokens,
    temperature: 0,
    stream: true,
    stream_options: { include_usage: true },
    ...options.body,
  })
  return new Promise((resolve, reject) => {
    const start = performance.now()
    const stamps: number[] = []
    let usage: Chunk["usage"] = null
    let rest = ""
    const request = httpRequest(
      `${options.url}/v1/completions`,
      { method: "POST", headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body) } },
      (response) => {
        response.setEncoding("utf8")
        if (response.statusCode !== 200) {
          response.on("data", (text: string) => {
            rest += text
          })
          response.on("end", () => reject(new Error(`${options.url}: ${response.statusCode} ${rest.slice(0, 300)}`)))
          return
        }
        response.on("data", (text: string) => {
          const now = performance.now()
          const lines = (rest + text).split("\n")
          rest = lines.pop() ?? ""
          for (const line of lines) {
            if (!line.startsWith("data: {")) continue
            // The shape is the server's promise; only optional fields are read.
            const chunk = JSON.parse(line.slice(6)) as Chunk
            if (chunk.usage) usage = chunk.usage
            if (chunk.choices?.[0]?.text) stamps.push(now)
          }
        })
        response.on("error", reject)
        response.on("end", () => {
          const first = stamps[0]
          const last = stamps.at(-1)
          if (first === undefined || last === undefined) return reject(new Error(`${options.url}: no text came`))
          resolve({
            ttftMs: first - start,
            totalMs: last - start,
            promptTokens: usage?.prompt_tokens ?? 0,
            completionTokens: usage?.completion_tokens ?? stamps.length,
            gapsMs: stamps.slice(1).map((stamp, i) => stamp - (stamps[i] ?? stamp)),
            stampsMs: stamps,
          })
        })
      },
    )
    request.on("error", reject)
    request.setTimeout(600_000, () => request.destroy(new Error("no answer for 10 minutes")))
    request.end(body)
  })
}

/** Runs all prompts, `concurrency` at a time. */
export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const queue = [...options.prompts]
  const samples: Stamped[] = []
  const start = performance.now()
  const worker = async () => {
    for (let prompt = queue.shift(); prompt !== undefined; prompt = queue.shift())
      samples.push(await one(options, prompt))
  }
  await Promise.all(Array.from({ length: options.concurrency }, worker))
  const wallMs = performance.now() - start
  const tokens = samples.reduce((sum, sample) => sum + sample.completionTokens, 0)
  const from = Math.max(...samples.map((sample) => sample.stampsMs[0] ?? 0))
  const to = Math.min(...samples.map((sample) => sample.stampsMs.at(-1) ?? 0))
  const between = samples.reduce((sum, s) => sum + s.stampsMs.filter((stamp) => stamp > from && stamp <= to).length, 0)
  return {
    wallMs,
    samples: samples.map(({ stampsMs: _stamps, ...sample }) => sample),
    outputTps: (tokens / wallMs) * 1000,
    decodeTps: to > from ? (between / (to - from)) * 1000 : Number.NaN,
  }
}
