// What does watching cost? One load without a break, and dashboards that are opened and closed while it runs: windows of
// some seconds with and without them, in pairs, and for each window the CPU time that front and ranks took for a token.
// Viewers cost the front alone, so the difference of the front is set against the CPU time of front and ranks together;
// that of the whole is shown beside it and drowns in the noise of the kernels. Passes when even the upper end of the 95 %
// confidence interval of the cost is below 1 %.
//
//   node dist/bench/viewers.js --viewers 20 --pairs 30

import { request } from "node:http"
import { setTimeout as sleep } from "node:timers/promises"
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
    ranks: { type: "string", default: "1" },
    pairs: { type: "string", default: "30" },
    seconds: { type: "string", default: "4" },
    prompt: { type: "string", default: "16" },
    generate: { type: "string", default: "256" },
  },
})
const { viewers, streams, pairs, seconds } = {
  viewers: Number(values.viewers),
  streams: Number(values.streams),
  pairs: Number(values.pairs),
  seconds: Number(values.seconds),
}

/** Of the whole, in percent: what the product promises. */
const COST_MAX = 1
/** Of a normal distribution: so many standard errors on both sides hold 95 % of the means. */
const NORMAL_95 = 1.96
/** After viewers came or went. */
const SETTLE_MS = 500

interface Window {
  /** Milliseconds of CPU time a token. */
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

/** Mean, and half the width of its 95 % confidence interval. */
function estimate(samples: readonly number[]): { n: number; mean: number; halfWidth: number } {
  const n = samples.length
  const mean = samples.reduce((sum, value) => sum + value, 0) / n
  const variance = samples.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1)
  return { n, mean, halfWidth: NORMAL_95 * Math.sqrt(variance / n) }
}

const flags = ["--threads", values.threads, "--local-ranks", values.ranks]
const server = await startServerProcess(ownServer(ROOT, values.model, flags))
const stop = new AbortController()
try {
  const { url } = server
  const model = await servedModel(url)
  const processes = processTree(server.pid)
  let seed = 1
  const stream = async () => {
    while (!stop.signal.aborted) {
      const prompts = [promptText(Number(values.prompt), seed++)]
      await runLoad({
        url,
        model,
        concurrency: 1,
        prompts,
        maxTokens: Number(values.generate),
        body: { ignore_eos: true },
      })
    }
  }
  const load = Promise.all(Array.from({ length: streams }, stream))
  load.catch(() => undefined)

  async function tokens(): Promise<number> {
    const text = await (await fetch(`${url}/metrics`)).text()
    return Number(/^mlx_cluster_tokens_generated_total (\S+)/m.exec(text)?.[1])
  }

  async function measure(count: number): Promise<Window> {
    const close = await watch(url, count)
    try {
      await sleep(SETTLE_MS)
      const [tokensBefore, before] = [await tokens(), processes.map(cpuTimeMs)]
      await sleep(seconds * 1000)
      const spent = processes.map((pid, index) => cpuTimeMs(pid) - (before[index] ?? 0))
      const made = (await tokens()) - tokensBefore
      return { cpuMs: spent.reduce((sum, ms) => sum + ms, 0) / made, frontMs: (spent[0] ?? 0) / made }
    } finally {
      close()
    }
  }

  await measure(viewers)
  await measure(0)
  const measured = []
  for (let pair = 0; pair < pairs; pair++) {
    // Who is first takes turns, so that a slow drift of the machine favours nobody.
    const first = await measure(pair % 2 === 0 ? 0 : viewers)
    const second = await measure(pair % 2 === 0 ? viewers : 0)
    measured.push(pair % 2 === 0 ? { alone: first, watched: second } : { alone: second, watched: first })
  }
  stop.abort()
  await load
  const cpuMs = estimate(measured.map(({ alone }) => alone.cpuMs)).mean
  const cost = measured.map(({ alone, watched }) => ((watched.frontMs - alone.frontMs) / cpuMs) * 100)
  const whole = measured.map(({ alone, watched }) => (watched.cpuMs / alone.cpuMs - 1) * 100)
  const [viewersCost, wholeDifference] = [estimate(cost), estimate(whole)]
  const passed = viewersCost.mean + viewersCost.halfWidth < COST_MAX
  const plusMinus = ({ mean, halfWidth }: typeof viewersCost) => `${mean.toFixed(2)} ± ${halfWidth.toFixed(2)}`
  table([
    {
      viewers,
      pairs,
      "CPU ms/tok": cpuMs.toFixed(3),
      "front alone": summarize(measured.map(({ alone }) => alone.frontMs)).median.toFixed(4),
      "front watched": summarize(measured.map(({ watched }) => watched.frontMs)).median.toFixed(4),
      "viewers cost %": plusMinus(viewersCost),
      "cost median %": summarize(cost).median,
      "whole %": plusMinus(wholeDifference),
      "below 1 %": passed ? "yes" : "no",
    },
  ])
  finish("viewers", {
    model: values.model,
    viewers,
    streams,
    threads: Number(values.threads),
    ranks: Number(values.ranks),
    windowSeconds: seconds,
    cpuMsPerToken: cpuMs,
    frontMsAlone: summarize(measured.map(({ alone }) => alone.frontMs)),
    frontMsWatched: summarize(measured.map(({ watched }) => watched.frontMs)),
    /** Percent of the server's CPU time a token, with half the width of the 95 % confidence interval. */
    viewersCost: { ...viewersCost, ...summarize(cost) },
    wholeDifference: { ...wholeDifference, ...summarize(whole) },
    passed,
  })
  process.exitCode = passed ? 0 : 1
} finally {
  stop.abort()
  await server.close()
}
