// Our server beside llama-server under concurrent streams: both are started here, on the same file, and take turns.
//
//   node dist/bench/compare-servers.js --llama-server path/to/llama-server --concurrency 8,32 --rounds 2

import { parseArgs } from "node:util"
import { cpuTimeMs, processTree } from "./cpu-time.ts"
import { runLoad } from "./load-client.ts"
import { finish, percentile, summarize, table } from "./report.ts"
import { ownServer, type ServerCommand, type ServerProcess, servedModel, startServerProcess } from "./server-process.ts"
import { ROOT, STARTER_MODEL } from "./settings.ts"
import { promptText } from "./workload.ts"

const { values } = parseArgs({
  options: {
    model: { type: "string", default: STARTER_MODEL },
    "llama-server": { type: "string" },
    threads: { type: "string", default: "1" },
    "llama-threads": { type: "string", default: "1" },
    concurrency: { type: "string", default: "8,32" },
    prompt: { type: "string", default: "64" },
    generate: { type: "string", default: "64" },
    rounds: { type: "string", default: "2" },
    seed: { type: "string", default: "1" },
  },
})

const levels = values.concurrency.split(",").map(Number)
const [prompt, generate] = [Number(values.prompt), Number(values.generate)]
const slots = Math.max(...levels)
let seed = Number(values.seed) * 1_000_000

const commands: ServerCommand[] = [ownServer(ROOT, values.model, ["--threads", values.threads])]
const llamaServer = values["llama-server"]
if (llamaServer !== undefined) {
  // -c is the context of all slots together.
  const context = slots * Math.max(512, 2 * (prompt + generate))
  commands.push({
    name: "llama-server",
    readyPath: "/health",
    command: (port) =>
      [
        llamaServer,
        ["-m", values.model, "--host", "127.0.0.1", "--port", port, "-t", values["llama-threads"], "-np", slots],
        ["-c", context],
      ]
        .flat()
        .map(String),
  })
}

interface RunningServer {
  readonly name: string
  readonly server: ServerProcess
  readonly processes: readonly number[]
  readonly model: string
}

const servers: RunningServer[] = []
try {
  for (const command of commands) {
    const server = await startServerProcess(command)
    servers.push({
      name: command.name,
      server,
      processes: processTree(server.pid),
      model: await servedModel(server.url),
    })
  }
  const load = async ({ name, server, processes, model }: RunningServer, concurrency: number) => {
    const cpuMs = (): number => processes.reduce((sum, pid) => sum + cpuTimeMs(pid), 0)
    const before = cpuMs()
    const result = await runLoad({
      url: server.url,
      model,
      concurrency,
      prompts: Array.from({ length: concurrency }, () => promptText(prompt, seed++)),
      maxTokens: generate,
      body: { ignore_eos: true },
    })
    const tokens = result.samples.reduce((sum, sample) => sum + sample.completionTokens, 0)
    return { name, concurrency, result, cpuMs: (cpuMs() - before) / tokens }
  }
  for (const server of servers) await load(server, 1)
  const runs: Awaited<ReturnType<typeof load>>[] = []
  for (const concurrency of levels) {
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const server of servers) runs.push(await load(server, concurrency))
    }
  }
  const results = levels.flatMap((concurrency) =>
    servers.map(({ name }) => {
      const own = runs.filter((run) => run.name === name && run.concurrency === concurrency)
      const samples = own.flatMap((run) => run.result.samples)
      const ttftMs = samples.map((sample) => sample.ttftMs)
      const gaps = samples.flatMap((sample) => sample.gapsMs)
      return {
        name,
        concurrency,
        outputTps: summarize(own.map((run) => run.result.outputTps)),
        decodeTps: summarize(own.map((run) => run.result.decodeTps)),
        cpuMsPerToken: summarize(own.map((run) => run.cpuMs)),
        ttftMs: { p50: percentile(ttftMs, 0.5), p99: percentile(ttftMs, 0.99) },
        itlMs: { p50: percentile(gaps, 0.5), p99: percentile(gaps, 0.99) },
      }
    }),
  )
  table(
    results.map((result) => ({
      server: result.name,
      streams: result.concurrency,
      "output tok/s": result.outputTps.median,
      "CPU ms/tok": result.cpuMsPerToken.median,
      "ttft p50 ms": result.ttftMs.p50,
      "ttft p99 ms": result.ttftMs.p99,
      "itl p50 ms": result.itlMs.p50,
      "itl p99 ms": result.itlMs.p99,
    })),
  )
  finish("compare-servers", { model: values.model, prompt, generate, results })
} finally {
  for (const { server } of servers) await server.close()
}
