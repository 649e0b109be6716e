// For tests: a rank host over real weights, and a client that collects the records of its requests.

import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import type { LinkNotice, SubmitCommand } from "./link.ts"
import { platform } from "./platform.ts"
import { createRankHost, type RankHost } from "./rank-host.ts"
import { RECORD_WORDS, RecordKind, REFUSED_SHIFT, TokenFlag } from "./rings/index.ts"
import type { TokenHalfOptions } from "./token-half-options.ts"

/** A sentence that says what is missing, or false: for tap's skip. */
export function missingNative(): string | false {
  const { libmlxPath, shimPath } = platform()
  return [libmlxPath, shimPath].every((path) => existsSync(path)) ? false : "the native half is not built"
}

/** dist/ts/engine -> fixtures. */
export function fixture(name: string): string {
  return fileURLToPath(new URL(`../../../fixtures/${name}`, import.meta.url))
}

export interface GoldenCase {
  readonly id: string
  readonly prompt_ids: readonly number[]
  readonly output_ids: readonly number[]
}

export function goldenCases(model: string): {
  readonly eosIds: readonly number[]
  readonly cases: readonly GoldenCase[]
} {
  const golden: { eos_token_ids: readonly number[]; cases: readonly GoldenCase[] } = JSON.parse(
    readFileSync(`${fixture(model)}/golden.json`, "utf8"),
  )
  return { eosIds: golden.eos_token_ids, cases: golden.cases }
}

export interface Answer {
  readonly tokens: number[]
  readonly logprobs: number[]
  /** Of the last token. */
  readonly alternatives: { readonly id: number; readonly logprob: number }[]
  cached: number
  /** Tokens proposed by speculation, and those of them that were right. */
  drafted: number
  accepted: number
  finish: number
  error: number
}

export interface TestRank {
  readonly host: RankHost
  /** The notice that answers the load. */
  readonly loaded: LinkNotice
  /** Sends a request; `onToken` is called for each of its tokens. */
  generate(
    command: Partial<SubmitCommand> & Pick<SubmitCommand, "promptIds">,
    onToken?: (slot: number, generation: number) => void,
  ): Promise<Answer>
  close(): Promise<void>
}

export async function startRank(path: string, options: Partial<TokenHalfOptions> = {}): Promise<TestRank> {
  const host = createRankHost(options)
  const { link } = host
  const open = new Map<number, { answer: Answer; done: (answer: Answer) => void; onToken: () => void }>()
  const floats = new Float32Array(1)
  const bits = new Int32Array(floats.buffer)
  const float = (word: number): number => {
    bits[0] = word
    return floats[0] ?? 0
  }
  let generation = 0

  link.onRecords((words) => {
    for (let at = 0; at < words.length; at += RECORD_WORDS) {
      const [kind = 0, , own = 0, , a = 0, b = 0] = words.subarray(at, at + RECORD_WORDS)
      const entry = open.get(own)
      if (entry === undefined) continue
      const { answer, done, onToken } = entry
      if (kind === RecordKind.started) answer.cached = b
      if (kind === RecordKind.token) {
        answer.tokens.push(a)
        const flags = words[at + 6] ?? 0
        const proposed = (flags & TokenFlag.proposed) > 0 ? 1 : 0
        answer.accepted += proposed
        answer.drafted += proposed + (flags >>> REFUSED_SHIFT)
        answer.logprobs.push(float(b))
        answer.alternatives.length = 0
        onToken()
      }
      if (kind === RecordKind.alternative) answer.alternatives.push({ id: a, logprob: float(b) })
      if (kind === RecordKind.finish) answer.finish = a
      if (kind === RecordKind.error) answer.error = a
      if (kind !== RecordKind.finish && kind !== RecordKind.error) continue
      open.delete(own)
      done(answer)
    }
  })

  const answered = new Promise<LinkNotice>((resolve) =>
    link.onNotice((notice) => {
      if (notice.type === "loaded" || notice.type === "load_failed") resolve(notice)
    }),
  )
  link.send({ kind: "load", model: 0, path, options: "" })
  const failed = host.ended.then((error) => {
    throw error ?? new Error("the rank host was closed")
  })
  const loaded = await Promise.race([answered, failed])

  return {
    host,
    loaded,
    generate(command, onToken = () => {}) {
      const own = ++generation
      const answer: Answer = {
        tokens: [],
        logprobs: [],
        alternatives: [],
        cached: 0,
        drafted: 0,
        accepted: 0,
        finish: 0,
        error: -1,
      }
      const result = new Promise<Answer>((resolve) => {
        open.set(own, { answer, done: resolve, onToken: () => onToken(own, own) })
      })
      const isSent = link.send({
        kind: "submit",
        slot: own,
        generation: own,
        model: 0,
        sampling: { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 0n, ignoreEos: false },
        maxTokens: 64,
        resumed: 0,
        logprobs: -1,
        eosIds: [],
        client: own,
        ...command,
      })
      if (!isSent) throw new Error("the command ring is full")
      return result
    },
    close: () => host.close(),
  }
}
