// What does the server cost over its engine? Both run the same load in turns: the engine alone in this process, and the
// real server (front and rank process) over HTTP with streaming; CPU time a token of each, and wall time.
//
//   node dist/bench/overhead.js --streams 1,8 --threads 1 --rounds 5

import { parseArgs } from "node:util"
import { cpuTimeMs, processTree, threadTimesMs } from "./cpu-time.ts"
import { openBenchEngine } from "./engine-driver.ts"
import { runLoad } from "./load-client.ts"
import { finish, percentile, summarize, table } from "./report.ts"
import { ownServer, servedModel, startServerProcess } from "./server-process.ts"
import { numericOf, ROOT, STARTER_MODEL } from "./settings.ts"
import { promptText } from "./workload.ts"

const { values } = parseArgs({
  options: {
    model: { type: "string", default: STARTER_MODEL },
    streams: { type: "string", default: "1,8" },
    threads: { type: "string", default: "1" },
    numeric: { type: "string", default: "int8x2" },
    rounds: { type: "string", default: "5" },
    prompt: { type: "string", default: "16" },
    generate: { type: "string", default: "128" },
    seed: { type: "string", default: "1" },
  },
})

const [prompt, generate, rounds] = [Number(values.prompt), Number(values.generate), Number(values.rounds)]
let seed = Number(values.seed) * 1_000_000

const WARM_RUNS = 3
const WARM_STREAMS = 8
const WARM_TOKENS = 250

/** CPU and wall milliseconds for each token of a load. */
interface Cost {
  readonly cpuMs: number
  /** The part of the process that speaks HTTP; 0 for the engine alone. */
  readonly frontMs: number
  readonly wallMs: number
}

const engine = await openBenchEngine(values.model, {
  threads: Number(values.threads),
  numeric: numericOf(values.numeric),
})
const server = await startServerProcess(
  ownServer(ROOT, values.model, ["--threads", values.threads, "--numeric", values.numeric]),
)
try {
  const model = await servedModel(server.url)
  const processes = processTree(server.pid)
  const serverCpuMs = (): number => processes.reduce((sum, pid) => sum + cpuTimeMs(pid), 0)

  async function overHttp(streams: number, length: number): Promise<Cost> {
    const prompts = Array.from({ length: streams }, () => promptText(prompt, seed++))
    const before = serverCpuMs()
    const frontBefore = cpuTimeMs(server.pid)
    const load = await runLoad({
      url: server.url,
      model,
      concurrency: streams,
      prompts,
      maxTokens: length,
      body: { ignore_eos: true },
    })
    const tokens = load.samples.reduce((sum, sample) => sum + sample.completionTokens, 0)
    const frontMs = (cpuTimeMs(server.pid) - frontBefore) / tokens
    return { cpuMs: (serverCpuMs() - before) / tokens, frontMs, wallMs: load.wallMs / tokens }
  }

  async function alone(streams: number, length: number): Promise<Cost> {
    const run = await engine.run({ streams, prompt, generate: length })
    return { cpuMs: run.cpuMs / run.tokens, frontMs: 0, wallMs: run.wallMs / run.tokens }
  }

  // A server that has run for a minute is what is measured: V8 optimizes its code after some thousand tokens only.
  for (let run = 0; run < WARM_RUNS; run++) {
    await overHttp(WARM_STREAMS, WARM_TOKENS)
    await alone(WARM_STREAMS, WARM_TOKENS)
  }

  const results = []
  for (const streams of values.streams.split(",").map(Number)) {
    // The first runs warm the JIT of both sides.
    await overHttp(streams, generate)
    await alone(streams, generate)
    const pairs = []
    for (let round = 0; round < rounds; round++) {
      // Who is first takes turns, so that a slow drift of the machine favours nobody.
      const first = round % 2 === 0 ? await alone(streams, generate) : await overHttp(streams, generate)
      const second = round % 2 === 0 ? await overHttp(streams, generate) : await alone(streams, generate)
      pairs.push(round % 2 === 0 ? { engine: first, server: second } : { engine: second, server: first })
    }
    results.push({
      streams,
      engineCpuMs: summarize(pairs.map((pair) => pair.engine.cpuMs)),
      serverCpuMs: summarize(pairs.map((pair) => pair.server.cpuMs)),
      frontCpuMs: summarize(pairs.map((pair) => pair.server.frontMs)),
      cpuRatio: summarize(pairs.map((pair) => pair.server.cpuMs / pair.engine.cpuMs)),
      wallRatio: summarize(pairs.map((pair) => pair.server.wallMs / pair.engine.wallMs)),
    })
  }

  // The engine's own thread only encodes, reads and schedules where the kernels have threads of their own: with one
  // kernel thread, the busiest is that one, and the next one besides the main thread is the engine's.
  const stepMs: number[] = []
  for (let round = 0; round < rounds && process.platform === "linux"; round++) {
    const before = threadTimesMs(process.pid)
    const { tokens } = await engine.run({ streams: 1, prompt, generate })
    const spent = [...threadTimesMs(process.pid)]
      .filter(([thread]) => thread !== process.pid)
      .map(([thread, ms]) => (ms - (before.get(thread) ?? 0)) / tokens)
      .sort((a, b) => b - a)
    stepMs.push(spent[1] ?? Number.NaN)
  }

  table(
    results.map((result) => ({
      streams: result.streams,
      "engine CPU ms/tok": result.engineCpuMs.median,
      "server CPU ms/tok": result.serverCpuMs.median,
      "of it front": result.frontCpuMs.median,
      "CPU ratio": result.cpuRatio.median,
      "CPU min": result.cpuRatio.min,
      "CPU max": result.cpuRatio.max,
      "wall ratio": result.wallRatio.median,
      "wall min": result.wallRatio.min,
      "wall max": result.wallRatio.max,
    })),
  )
  const isStepKnown = values.threads === "1" && stepMs.length > 0
  if (isStepKnown) {
    const step = percentile(stepMs, 0.5).toFixed(3)
    process.stdout.write(`TypeScript, binding and graph of one step: ${step} ms CPU time of the engine's thread\n`)
  }
  finish("overhead", {
    model: values.model,
    threads: Number(values.threads),
    numeric: values.numeric,
    prompt,
    generate,
    results,
    ...(isStepKnown ? { stepMs: summarize(stepMs) } : {}),
  })
} finally {
  await server.close()
  await engine.close()
}
