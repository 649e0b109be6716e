// The engine alone, for benchmarks: a rank host in this process, requests over its link, a time stamp a token. No text,
// no HTTP.

import {
  createRankHost,
  type ModelFacts,
  openModelFiles,
  RECORD_WORDS,
  RecordKind,
  type SamplingParameters,
  type TokenHalfOptions,
  type TokenHalfStatistics,
} from "../ts/engine/index.ts"
import { promptIds } from "./workload.ts"

export interface EngineRun {
  /** From the first submit to the last record. */
  readonly wallMs: number
  /** From the submit to the first token of the last stream to start. */
  readonly firstTokenMs: number
  readonly tokens: number
  /** Tokens a second while every stream decodes: after the last first token, until the first stream ends. */
  readonly decodeTps: number
  /** CPU time of this process (the engine is in it) for each of those tokens. */
  readonly cpuMsPerToken: number
  /** CPU time of this process from submit to end, prefill included. */
  readonly cpuMs: number
}

export interface BenchRequest {
  readonly promptIds: readonly number[]
  /** What the answer will probably be; absent: not predicted. */
  readonly predictionIds?: readonly number[]
  readonly maxTokens: number
  readonly eosIds: readonly number[]
  readonly sampling: SamplingParameters
}

export interface BenchAnswer {
  readonly tokens: readonly number[]
  /** When each token came: milliseconds, and CPU milliseconds of this process. */
  readonly stamps: readonly { readonly ms: number; readonly cpuMs: number }[]
}

export interface BenchEngine {
  readonly facts: ModelFacts
  readonly vocabulary: number
  statistics(): TokenHalfStatistics | null
  /** `streams` prompts that no run has seen, at once, greedy, each with `generate` tokens. */
  run(load: { streams: number; prompt: number; generate: number }): Promise<EngineRun>
  /** These requests, at once. */
  ask(requests: readonly BenchRequest[]): Promise<readonly BenchAnswer[]>
  close(): Promise<void>
}

interface Stream {
  readonly stamps: number[]
  readonly left: number
}

const ownCpuMs = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** Loads the model. `seed` begins the row of prompts. */
export async function openBenchEngine(
  path: string,
  options: Partial<TokenHalfOptions>,
  seed = 1,
): Promise<BenchEngine> {
  const { config } = await openModelFiles(path)
  const host = createRankHost(options)
  const { link } = host
  let statistics: TokenHalfStatistics | null = null
  let onRecord: (kind: number, generation: number, value: number) => void = () => {}
  link.onRecords((words) => {
    for (let at = 0; at < words.length; at += RECORD_WORDS)
      onRecord(words[at] ?? 0, words[at + 2] ?? 0, words[at + 4] ?? 0)
  })
  const answered = new Promise<ModelFacts>((resolve, reject) =>
    link.onNotice((notice) => {
      if (notice.type === "loaded") resolve(notice.facts)
      else if (notice.type === "load_failed") reject(new Error(`cannot load ${path}: ${notice.message}`))
      else if (notice.type === "statistics") statistics = notice.statistics
    }),
  )
  const lost = host.ended.then((error) => {
    throw error ?? new Error("the engine was closed")
  })
  lost.catch(() => undefined)
  link.send({ kind: "load", model: 0, path, options: "" })
  const facts = await Promise.race([answered, lost])
  let generation = 0
  let nextSeed = seed * 1_000_000

  function run({ streams, prompt, generate }: Parameters<BenchEngine["run"]>[0]): Promise<EngineRun> {
    const open = new Map<number, Stream>()
    const all: Stream[] = []
    const startMs = performance.now()
    const startCpuMs = ownCpuMs()
    let waitFirst = streams
    let from = { ms: 0, cpuMs: 0 }
    let to: { ms: number; cpuMs: number } | null = null

    const result = (): EngineRun => {
      const wallMs = performance.now() - startMs
      const cpuMs = ownCpuMs() - startCpuMs
      const until = to ?? from
      const between = all.reduce((n, { stamps }) => n + stamps.filter((ms) => ms > from.ms && ms <= until.ms).length, 0)
      return {
        wallMs,
        cpuMs,
        firstTokenMs: from.ms - startMs,
        tokens: all.reduce((n, { stamps }) => n + stamps.length, 0),
        decodeTps: between === 0 ? Number.NaN : (between / (until.ms - from.ms)) * 1000,
        cpuMsPerToken: between === 0 ? Number.NaN : (until.cpuMs - from.cpuMs) / between,
      }
    }

    const done = new Promise<EngineRun>((resolve, reject) => {
      onRecord = (kind, own, value) => {
        const stream = open.get(own)
        if (stream === undefined) return
        if (kind === RecordKind.token) {
          const ms = performance.now()
          stream.stamps.push(ms)
          if (stream.stamps.length === 1 && --waitFirst === 0) from = { ms, cpuMs: ownCpuMs() }
          if (stream.stamps.length === stream.left && to === null && waitFirst === 0) to = { ms, cpuMs: ownCpuMs() }
        } else if (kind === RecordKind.error) reject(new Error(`the engine refused a request (error ${value})`))
        else if (kind === RecordKind.finish) {
          open.delete(own)
          if (open.size === 0) resolve(result())
        }
      }
    })
    for (let i = 0; i < streams; i++) {
      const own = ++generation
      const stream: Stream = { stamps: [], left: generate }
      open.set(own, stream)
      all.push(stream)
      send(i, own, {
        promptIds: promptIds(prompt, config.vocabularySize, nextSeed++),
        sampling: { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 0n, ignoreEos: true },
        maxTokens: generate,
        eosIds: [],
      })
    }
    return Promise.race([done, lost])
  }

  function send(
    slot: number,
    own: number,
    { promptIds: ids, predictionIds, sampling, maxTokens, eosIds }: BenchRequest,
  ): void {
    const isSent = link.send({
      kind: "submit",
      slot,
      generation: own,
      model: 0,
      promptIds: Int32Array.from(ids),
      ...(predictionIds === undefined ? {} : { predictionIds: Int32Array.from(predictionIds) }),
      sampling,
      maxTokens,
      resumed: 0,
      logprobs: -1,
      eosIds,
      client: slot,
    })
    if (!isSent) throw new Error(`the command ring has no room for a prompt of ${ids.length} tokens`)
  }

  function ask(requests: readonly BenchRequest[]): Promise<readonly BenchAnswer[]> {
    const first = generation + 1
    const answers = requests.map(() => ({ tokens: [] as number[], stamps: [] as { ms: number; cpuMs: number }[] }))
    let open = requests.length
    const done = new Promise<readonly BenchAnswer[]>((resolve, reject) => {
      onRecord = (kind, own, value) => {
        const answer = answers[own - first]
        if (kind === RecordKind.token) {
          answer?.tokens.push(value)
          answer?.stamps.push({ ms: performance.now(), cpuMs: ownCpuMs() })
        } else if (kind === RecordKind.error) reject(new Error(`the engine refused a request (error ${value})`))
        else if (kind === RecordKind.finish && --open === 0) resolve(answers)
      }
    })
    requests.forEach((request, slot) => send(slot, ++generation, request))
    return Promise.race([done, lost])
  }

  return {
    facts,
    vocabulary: config.vocabularySize,
    statistics: () => statistics,
    run,
    ask,
    close: () => host.close(),
  }
}
