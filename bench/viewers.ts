// What does watching cost? The same load with and without open dashboards, in turns: CPU time a token of the whole server.
// Viewers cost the front alone, so the difference of the front is set against the CPU time of front and rank together;
// that of the whole is shown beside it and drowns in the noise of the kernels.
//
//   node dist/bench/viewers.js --viewers 20 --rounds 5

import { request } from "node:http"
import { parseArgs } from "node:util"
import { cpuTimeMs, processTree } from "./cpu-time.ts"
import { runLoad } from "./load-client.ts"
import { finish, summarize, table } from "./report.ts"
import { ownServer, servedModel, startServerProcess } from "./server-process.ts"
import { ROOT, STARTER_MODEL } from "./settings.ts"
import { promptText } from "./workload.ts"

const { values } = parseArgs({
  options: {
    model: { type: "string", default: STARTER_MODEL },
    viewers: { type: "string", default: "20" },
    streams: { type: "string", default: "4" },
    threads: { type: "string", default: "1" },
    rounds: { type: "string", default: "5" },
    prompt: { type: "string", default: "16" },
    generate: { type: "string", default: "128" },
    requests: { type: "string", default: "12" },
  },
})
const [viewers, streams, rounds] = [Number(values.viewers), Number(values.streams), Number(values.rounds)]
let seed = 1

interface Cost {
  readonly cpuMs: number
  readonly frontMs: number
}

/** Dashboards that read their events; resolves when each has its first. The result closes them. */
async function watch(url: string, count: number): Promise<() => void> {
  const open = Array.from({ length: count }, async () => {
    const sent = request(`${url}/events`, { headers: { accept: "text/event-stream" } })
    await new Promise<void>((resolve, reject) => {
      sent.on("error", reject)
      sent.on("response", (response) => {
        response.once("data", () => resolve())
        response.resume()
      })
      sent.end()
    })
    sent.on("error", () => undefined)
    return sent
  })
  const all = await Promise.all(open)
  return () => {
    for (const each of all) each.destroy()
  }
}

const server = await startServerProcess(ownServer(ROOT, values.model, ["--threads", values.threads]))
try {
  const model = await servedModel(server.url)
  const processes = processTree(server.pid)

  async function measure(count: number): Promise<Cost> {
    const close = await watch(server.url, count)
    try {
      const before = processes.map(cpuTimeMs)
      const load = await runLoad({
        url: server.url,
        model,
        concurrency: streams,
        prompts: Array.from({ length: Number(values.requests) }, () => promptText(Number(values.prompt), seed++)),
        maxTokens: Number(values.generate),
        body: { ignore_eos: true },
      })
      const spent = processes.map((pid, index) => cpuTimeMs(pid) - (before[index] ?? 0))
      const tokens = load.samples.reduce((sum, sample) => sum + sample.completionTokens, 0)
      return { cpuMs: spent.reduce((sum, ms) => sum + ms, 0) / tokens, frontMs: (spent[0] ?? 0) / tokens }
    } finally {
      close()
    }
  }

  await measure(viewers)
  await measure(0)
  const pairs = []
  for (let round = 0; round < rounds; round++) {
    // Who is first takes turns, so that a slow drift of the machine favours nobody.
    const first = await measure(round % 2 === 0 ? 0 : viewers)
    const second = await measure(round % 2 === 0 ? viewers : 0)
    pairs.push(round % 2 === 0 ? { alone: first, watched: second } : { alone: second, watched: first })
  }
  const results = {
    viewers,
    cpuMsAlone: summarize(pairs.map(({ alone }) => alone.cpuMs)),
    cpuMsWatched: summarize(pairs.map(({ watched }) => watched.cpuMs)),
    frontMsAlone: summarize(pairs.map(({ alone }) => alone.frontMs)),
    frontMsWatched: summarize(pairs.map(({ watched }) => watched.frontMs)),
    /** Percent of the server's CPU time a token. */
    viewersCost: summarize(pairs.map(({ alone, watched }) => ((watched.frontMs - alone.frontMs) / alone.cpuMs) * 100)),
    wholeDifference: summarize(pairs.map(({ alone, watched }) => (watched.cpuMs / alone.cpuMs - 1) * 100)),
  }
  table([
    {
      viewers,
      "CPU ms/tok alone": results.cpuMsAlone.median,
      watched: results.cpuMsWatched.median,
      "front alone": results.frontMsAlone.median,
      "front watched": results.frontMsWatched.median,
      "viewers cost %": results.viewersCost.median,
      "cost min": results.viewersCost.min,
      "cost max": results.viewersCost.max,
      "whole %": results.wholeDifference.median,
    },
  ])
  finish("viewers", { model: values.model, streams, threads: Number(values.threads), ...results })
} finally {
  await server.close()
}
