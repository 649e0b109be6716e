// How fast is the engine alone? Decode of one and of many streams, prefill, CPU time a token; no text, no HTTP.
//
//   node dist/bench/decode.js --streams 1,8 --threads 2 --numeric int8x2 --rounds 3

import { parseArgs } from "node:util"
import { openBenchEngine } from "./engine-driver.ts"
import { finish, summarize, table } from "./report.ts"
import { numericOf, STARTER_MODEL } from "./settings.ts"

const { values } = parseArgs({
  options: {
    model: { type: "string", default: STARTER_MODEL },
    streams: { type: "string", default: "1,8,32" },
    threads: { type: "string", default: "0" },
    numeric: { type: "string", default: "int8x2" },
    rounds: { type: "string", default: "3" },
    prompt: { type: "string", default: "16" },
    generate: { type: "string", default: "64" },
    prefill: { type: "string", default: "512" },
    seed: { type: "string", default: "1" },
  },
})

const streams = values.streams.split(",").map(Number)
const [prompt, generate, prefill] = [Number(values.prompt), Number(values.generate), Number(values.prefill)]
const engine = await openBenchEngine(
  values.model,
  { threads: Number(values.threads), numeric: numericOf(values.numeric) },
  Number(values.seed),
)
try {
  await engine.run({ streams: 1, prompt, generate: 8 })
  const decode = streams.map((count) => ({ count, tps: [] as number[], cpuMs: [] as number[] }))
  const prefillTps: number[] = []
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const { count, tps, cpuMs } of decode) {
      const run = await engine.run({ streams: count, prompt, generate })
      tps.push(run.decodeTps)
      cpuMs.push(run.cpuMsPerToken)
    }
    prefillTps.push((prefill / (await engine.run({ streams: 1, prompt: prefill, generate: 1 })).firstTokenMs) * 1000)
  }
  const results = decode.map(({ count, tps, cpuMs }) => ({
    streams: count,
    decodeTps: summarize(tps),
    cpuMsPerToken: summarize(cpuMs),
  }))
  const one = results.find((result) => result.streams === 1)?.decodeTps.median
  table([
    ...results.map((result) => ({
      what: `decode, ${result.streams} stream${result.streams === 1 ? "" : "s"}`,
      "tok/s": result.decodeTps.median,
      min: result.decodeTps.min,
      max: result.decodeTps.max,
      "CPU ms a token": result.cpuMsPerToken.median,
      "x one stream": one === undefined ? "" : result.decodeTps.median / one,
    })),
    {
      what: `prefill ${prefill}`,
      "tok/s": summarize(prefillTps).median,
      min: Math.min(...prefillTps),
      max: Math.max(...prefillTps),
      "CPU ms a token": "",
      "x one stream": "",
    },
  ])
  const { backend, threads } = engine.facts
  finish("decode", {
    model: values.model,
    backend,
    threads,
    numeric: values.numeric,
    prompt,
    generate,
    decode: results,
    prefill: { tokens: prefill, tps: summarize(prefillTps) },
    statistics: engine.statistics(),
  })
} finally {
  await engine.close()
}
