// What does speculation gain? One model with and without it in this process, the same requests in turns: tokens a second
// of the decode, at temperature 0 and 1, alone and in company. Answers must be equal.
//
//   node dist/bench/speculate.js --model fixtures/tiny-qwen3 --draft fixtures/tiny-qwen3-draft --rounds 10
//
// Ways: a draft model; n-grams of the text; n-grams of a prediction that the request brings, here the greedy answer with
// every twentieth token left out. The prompts are those of the model's golden.json whose answers are long enough to have a decode.

import { readFileSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { type BenchAnswer, type BenchEngine, type BenchRequest, openBenchEngine } from "./engine-driver.ts"
import { finish, summarize, table } from "./report.ts"
import { numericOf, ROOT } from "./settings.ts"

const { values } = parseArgs({
  options: {
    model: { type: "string", default: join(ROOT, "fixtures/tiny-qwen3") },
    draft: { type: "string", default: join(ROOT, "fixtures/tiny-qwen3-draft") },
    ways: { type: "string", default: "draft,ngram,prediction" },
    streams: { type: "string", default: "1,4" },
    threads: { type: "string", default: "0" },
    numeric: { type: "string", default: "int8x2" },
    rounds: { type: "string", default: "10" },
    generate: { type: "string", default: "160" },
  },
})
const rounds = Number(values.rounds)

/** Tokens a second, and a second of CPU time, which other work on the machine disturbs less. */
interface Speed {
  readonly tps: number
  readonly cpuTps: number
}

interface Golden {
  readonly eos_token_ids: readonly number[]
  readonly cases: readonly { readonly prompt_ids: readonly number[]; readonly output_ids: readonly number[] }[]
}
const golden: Golden = JSON.parse(readFileSync(join(values.model, "golden.json"), "utf8"))
const LEAST_ANSWER = 60
const prompts = golden.cases.filter(({ output_ids }) => output_ids.length >= LEAST_ANSWER)

function requestsOf(streams: number, temperature: number, round: number): readonly BenchRequest[] {
  return Array.from({ length: streams }, (_, i) => ({
    promptIds: prompts[(round * streams + i) % prompts.length]?.prompt_ids ?? [],
    maxTokens: Number(values.generate),
    eosIds: golden.eos_token_ids,
    sampling: { temperature, topP: 1, topK: 0, minP: 0, seed: BigInt(round * streams + i), ignoreEos: false },
  }))
}

function predicted(request: BenchRequest): BenchRequest {
  const { output_ids = [] } = prompts.find(({ prompt_ids }) => prompt_ids === request.promptIds) ?? {}
  return { ...request, predictionIds: output_ids.filter((_, i) => i % 20 < 19) }
}

/** Of all streams, from the last first token to the first last one. */
function decodeSpeed(answers: readonly BenchAnswer[]): Speed {
  const last = (stamps: BenchAnswer["stamps"]) => stamps.at(-1) ?? { ms: 0, cpuMs: 0 }
  const from = answers.map(({ stamps }) => stamps[0] ?? last(stamps)).toSorted((a, b) => b.ms - a.ms)[0] ?? last([])
  const to = answers.map(({ stamps }) => last(stamps)).toSorted((a, b) => a.ms - b.ms)[0] ?? last([])
  const tokens = answers.reduce((n, { stamps }) => n + stamps.filter(({ ms }) => ms > from.ms && ms <= to.ms).length, 0)
  return { tps: (tokens / (to.ms - from.ms)) * 1000, cpuTps: (tokens / (to.cpuMs - from.cpuMs)) * 1000 }
}

const shared = { threads: Number(values.threads), numeric: numericOf(values.numeric), kvBytes: 2 ** 28 }
const engines = new Map<string, BenchEngine>([["off", await openBenchEngine(values.model, shared)]])
for (const speculate of values.ways.split(",")) {
  if (speculate === "prediction") engines.set(speculate, await openBenchEngine(values.model, shared))
  else if (speculate === "draft" || speculate === "ngram")
    engines.set(speculate, await openBenchEngine(values.model, { ...shared, speculate, draftModel: values.draft }))
  else throw new Error(`--ways ${speculate}: draft, ngram or prediction`)
}

interface Measured extends Speed {
  readonly tokens: string
}

async function measure(engine: BenchEngine, requests: readonly BenchRequest[]): Promise<Measured> {
  const answers = await engine.ask(requests)
  return { ...decodeSpeed(answers), tokens: JSON.stringify(answers.map(({ tokens }) => tokens)) }
}

const results = []
try {
  for (const streams of values.streams.split(",").map(Number)) {
    for (const temperature of [0, 1]) {
      const found = new Map(
        [...engines.keys()].map((way) => [
          way,
          { tps: [] as number[], ratio: [] as number[], cpuRatio: [] as number[] },
        ]),
      )
      let isEqual = true
      for (let round = -1; round < rounds; round++) {
        const requests = requestsOf(streams, temperature, round + 1)
        const measured = new Map<string, Measured>()
        // Who is first takes turns. The first round warms all up.
        const turn = [...engines]
          .toSpliced(0, 0, ...[...engines].splice((round + 1) % engines.size))
          .slice(0, engines.size)
        for (const [way, engine] of turn) {
          measured.set(way, await measure(engine, way === "prediction" ? requests.map(predicted) : requests))
        }
        const plain = measured.get("off")
        for (const [way, { tps, cpuTps, tokens }] of measured) {
          isEqual &&= tokens === plain?.tokens
          if (round < 0) continue
          found.get(way)?.tps.push(tps)
          found.get(way)?.ratio.push(tps / (plain?.tps ?? Number.NaN))
          found.get(way)?.cpuRatio.push(cpuTps / (plain?.cpuTps ?? Number.NaN))
        }
      }
      for (const [way, { tps, ratio, cpuRatio }] of found) {
        results.push({
          streams,
          temperature,
          way,
          isEqual,
          tps: summarize(tps),
          ratio: summarize(ratio),
          cpuRatio: summarize(cpuRatio),
        })
      }
    }
  }
  table(
    results.map(({ streams, temperature, way, isEqual, tps, ratio, cpuRatio }) => ({
      streams,
      temperature,
      way,
      equal: isEqual ? "yes" : "NO",
      "tok/s": tps.median,
      "of off": ratio.median,
      least: ratio.min,
      most: ratio.max,
      "CPU, of off": cpuRatio.median,
    })),
  )
  const status = [...engines].map(([way, engine]) => ({ way, speculation: engine.statistics()?.speculation ?? null }))
  finish("speculate", { rounds, options: values, results, status })
  process.exitCode = results.every(({ isEqual }) => isEqual) ? 0 : 1
} finally {
  for (const engine of engines.values()) await engine.close()
}
