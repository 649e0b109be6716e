// The life of one HTTP request that generates: what happened when, and how fast. Tells its owner of tokens and of the
// end; knows no totals and no wire format.

import type { CacheDivergenceView, RequestView } from "../dashboard/index.ts"
import type { CacheDivergence, FinishReason, GenerationTimes, Usage } from "../engine/index.ts"
import { LIMITS } from "./limits.ts"

export type Outcome = FinishReason | "error" | "cancelled"

export type RequestResult =
  | { readonly usage: Usage; readonly times: readonly GenerationTimes[] }
  /** `error`: its code. */
  | { readonly failed: "error" | "cancelled"; readonly error?: string }

export interface RequestRecord {
  promptTokens(count: number): void
  /** Prefill has begun. */
  started(cachedTokens: number, divergence?: CacheDivergence): void
  tokens(count: number): void
  finished(reason: FinishReason): void
  slowReader(): void
  /** Idempotent. */
  end(result: RequestResult): void
  /** How far it is, and its last state afterwards. */
  view(): RequestView
}

/** Tokens that took so many milliseconds. */
export interface Work {
  readonly tokens: number
  readonly ms: number
}

export interface RequestEnd {
  readonly view: RequestView
  readonly outcome: Outcome
  /** Tokens without text of their own (end of turn, a cut stop string), known only at the end. */
  readonly lateTokens: number
  readonly times: readonly GenerationTimes[]
  /** Prompt tokens that were computed, not found; null where nothing is known. */
  readonly prefill: Work | null
  /** Tokens after the first. */
  readonly decode: Work | null
}

export interface RecordListener {
  /** `sinceLastMs` is null for the first tokens: then `firstMs` is their time since the request. */
  tokens(count: number, nowMs: number, sinceLastMs: number | null, firstMs: number): void
  slowReader(): void
  ended(end: RequestEnd, nowMs: number): void
}

export interface RequestFacts {
  readonly id: string
  readonly kind: string
  /** Beginning of the prompt, only where the operator asked for it. */
  readonly prompt: string | null
  /** Unix milliseconds. */
  readonly time: number
}

/** Microseconds are as fine as anybody reads. */
const round = (value: number) => Math.round(value * 1000) / 1000
const roundMaybe = (value: number | null) => (value === null ? null : round(value))
const perSecond = (work: Work | null) => (work === null ? null : round((work.tokens * 1000) / work.ms))
const workOf = (tokens: number, ms: number): Work | null => (tokens > 0 && ms > 0 ? { tokens, ms } : null)

/** Texts of prompts are kept only where the operator asked for them. */
function divergenceView({ at, cachedText, promptText }: CacheDivergence, withText: boolean): CacheDivergenceView {
  return { diverged_at: at, cached_text: withText ? cachedText : null, prompt_text: withText ? promptText : null }
}

export function createRequestRecord(facts: RequestFacts, now: () => number, listener: RecordListener): RequestRecord {
  const beganMs = now()
  let last: RequestView | null = null
  let promptTokens = 0
  let cachedTokens = 0
  let divergence: CacheDivergence | null = null
  let completionTokens = 0
  let draftedTokens = 0
  let acceptedTokens = 0
  let queuedMs: number | null = null
  let prefillMs: number | null = null
  let firstTokenMs: number | null = null
  let lastTokenMs: number | null = null
  let reason: FinishReason | null = null

  /** A busy front hears of several tokens at once: the token half's own measure says when the first one was there. */
  let computedMs = Infinity
  const decode = () =>
    firstTokenMs === null || lastTokenMs === null
      ? null
      : workOf(completionTokens - 1, lastTokenMs - Math.min(firstTokenMs, computedMs))
  const view = (status: string, prefill: Work | null, endMs: number | null): RequestView => ({
    id: facts.id,
    time: facts.time,
    kind: facts.kind,
    prompt_tokens: promptTokens,
    cached_tokens: cachedTokens,
    completion_tokens: completionTokens,
    drafted_tokens: draftedTokens,
    accepted_tokens: acceptedTokens,
    ttft_ms: roundMaybe(firstTokenMs),
    latency_ms: round(endMs ?? now() - beganMs),
    generation_tps: perSecond(decode()),
    status,
    finish_reason: reason,
    prefill_tps: perSecond(prefill),
    timeline: {
      queued_ms: roundMaybe(queuedMs),
      prefill_ms: roundMaybe(prefillMs),
      first_token_ms: roundMaybe(firstTokenMs),
      end_ms: roundMaybe(endMs),
    },
    error: null,
    prompt: facts.prompt,
    cache: divergence === null ? null : divergenceView(divergence, facts.prompt !== null),
  })

  return {
    promptTokens(count) {
      queuedMs ??= now() - beganMs
      promptTokens += count
    },
    started(cached, diverged) {
      prefillMs ??= now() - beganMs
      divergence ??= diverged ?? null
      cachedTokens += cached
    },
    tokens(count) {
      const nowMs = now()
      const atMs = nowMs - beganMs
      completionTokens += count
      const gapMs = lastTokenMs === null ? null : atMs - lastTokenMs
      firstTokenMs ??= atMs
      lastTokenMs = atMs
      listener.tokens(count, nowMs, gapMs, firstTokenMs)
    },
    finished(next) {
      reason = next
    },
    slowReader: () => listener.slowReader(),
    end(result) {
      if (last !== null) return
      const nowMs = now()
      let lateTokens = 0
      let prefill: Work | null = null
      if ("usage" in result) {
        promptTokens = result.usage.promptTokens
        cachedTokens = result.usage.cachedTokens
        lateTokens = Math.max(0, result.usage.completionTokens - completionTokens)
        completionTokens = result.usage.completionTokens
        draftedTokens = result.usage.draftedTokens ?? 0
        acceptedTokens = result.usage.acceptedTokens ?? 0
        const [first] = result.times
        // The token half's own measures: news of the start may come together with the first token.
        if (first !== undefined) {
          prefillMs = Math.max(queuedMs ?? 0, Math.min(first.queuedMs, firstTokenMs ?? first.queuedMs))
          const spentMs = result.times.reduce((sum, times) => sum + times.prefillMs, 0)
          computedMs = prefillMs + first.prefillMs
          prefill = workOf(promptTokens - cachedTokens, spentMs)
          // A tool call, or an end at once: tokens without a text event of their own.
          if (firstTokenMs === null && completionTokens > 0) {
            firstTokenMs = Math.min(first.firstTokenMs, nowMs - beganMs)
            listener.tokens(0, nowMs, null, firstTokenMs)
          }
        }
      }
      const failed = "failed" in result
      const slow = firstTokenMs !== null && firstTokenMs > LIMITS.slowFirstTokenMs
      const outcome: Outcome = failed ? result.failed : (reason ?? "stop")
      if (failed) reason = null
      last = {
        ...view(failed ? result.failed : slow ? "slow" : "ok", prefill, nowMs - beganMs),
        error: failed ? (result.error ?? null) : null,
      }
      const times = failed ? [] : result.times
      listener.ended({ view: last, outcome, lateTokens, times, prefill, decode: decode() }, nowMs)
    },
    view: () => last ?? view(prefillMs === null && firstTokenMs === null ? "queued" : "running", null, null),
  }
}
