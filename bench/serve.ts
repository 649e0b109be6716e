// How fast is a server over HTTP? Any server with POST /v1/completions.
//
//   node dist/bench/serve.js --url http://127.0.0.1:8080 --concurrency 1,8 --prompt 64 --generate 64 --rounds 3

import { parseArgs } from "node:util"
import { runLoad } from "./load-client.ts"
import { finish, percentile, summarize, table } from "./report.ts"
import { servedModel } from "./server-process.ts"
import { promptText } from "./workload.ts"

const { values } = parseArgs({
  options: {
    url: { type: "string", default: "http://127.0.0.1:8080" },
    model: { type: "string", default: "default" },
    concurrency: { type: "string", default: "1,4,8" },
    prompt: { type: "string", default: "64" },
    generate: { type: "string", default: "64" },
    rounds: { type: "string", default: "3" },
    seed: { type: "string", default: "1" },
  },
})

const model = values.model === "default" ? await servedModel(values.url) : values.model
const promptTokens = Number(values.prompt)
const maxTokens = Number(values.generate)
let seed = Number(values.seed) * 1_000_000
const rows = []
const results = []
for (const concurrency of values.concurrency.split(",").map(Number)) {
  const runs = []
  for (let round = 0; round < Number(values.rounds); round++) {
    const prompts = Array.from({ length: concurrency * (concurrency === 1 ? 3 : 1) }, () =>
      promptText(promptTokens, seed++),
    )
    runs.push(await runLoad({ url: values.url, model, concurrency, prompts, maxTokens, body: { ignore_eos: true } }))
  }
  const samples = runs.flatMap((run) => run.samples)
  const gaps = samples.flatMap((sample) => sample.gapsMs)
  const result = {
    concurrency,
    promptTokens,
    maxTokens,
    outputTps: summarize(runs.map((run) => run.outputTps)),
    decodeTps: summarize(runs.map((run) => run.decodeTps)),
    ttftMs: {
      p50: percentile(
        samples.map((s) => s.ttftMs),
        0.5,
      ),
      p99: percentile(
        samples.map((s) => s.ttftMs),
        0.99,
      ),
    },
    itlMs: { p50: percentile(gaps, 0.5), p99: percentile(gaps, 0.99) },
  }
  results.push(result)
  rows.push({
    streams: concurrency,
    "output tok/s": result.outputTps.median,
    "decode tok/s": result.decodeTps.median,
    "ttft p50 ms": result.ttftMs.p50,
    "ttft p99 ms": result.ttftMs.p99,
    "itl p50 ms": result.itlMs.p50,
    "itl p99 ms": result.itlMs.p99,
  })
}
table(rows)
finish("serve", { url: values.url, model, results })
