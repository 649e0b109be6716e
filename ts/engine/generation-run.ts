// One request in the text half: its choices, its times and usage, and the events it owes. Knows no link and no slots.

import type { Choice } from "./choice.ts"
import type { EngineClock } from "./engine-clock.ts"
import type { EngineError } from "./errors.ts"
import type { CacheDivergence, GenerationEvent, GenerationRequest } from "./generation.ts"

export type EventListener = (events: readonly GenerationEvent[]) => void

export interface GenerationRun {
  readonly request: GenerationRequest
  /** Empty until the prompt is encoded. */
  readonly choices: readonly Choice[]
  /** Its last event is delivered, or it was cancelled. */
  readonly over: boolean
  /** A choice has begun to run. */
  readonly started: boolean
  /** The prompt is encoded: adds the "queued" event. */
  encoded(choices: readonly Choice[], promptTokens: number): void
  begun(cachedTokens: number, divergence?: CacheDivergence): void
  tokenReceived(): void
  /** The token half's own times of a choice; they count from when it got it. null: not told. */
  measured(queuedMs: number, prefillMs: number | null): void
  /** Delivers what the choices have made; with the last of them finished, "done". */
  flush(): void
  /** Delivers the error as the last event. */
  fail(error: EngineError): void
  /** No event follows. */
  cancel(): void
}

export function createGenerationRun(
  request: GenerationRequest,
  onEvents: EventListener,
  clock: EngineClock,
): GenerationRun {
  const submittedAt = clock.now()
  let choices: readonly Choice[] = []
  let over = false
  let promptTokens = 0
  let cachedTokens = 0
  let startedAt: number | null = null
  let firstTokenAt: number | null = null
  let encodedAt: number | null = null
  let queuedMs: number | null = null
  let prefillMs: number | null = null
  let own: GenerationEvent[] = []

  /** The start record may come together with the first token: the token half's own measure is the better one. */
  function done(): GenerationEvent {
    const now = clock.now()
    const started = startedAt ?? now
    const first = firstTokenAt ?? now
    const draftedTokens = choices.reduce((sum, choice) => sum + choice.draftedTokens, 0)
    const acceptedTokens = choices.reduce((sum, choice) => sum + choice.acceptedTokens, 0)
    const waited = queuedMs === null ? started - submittedAt : (encodedAt ?? submittedAt) - submittedAt + queuedMs
    return {
      type: "done",
      usage: {
        promptTokens,
        cachedTokens,
        completionTokens: choices.reduce((sum, choice) => sum + choice.completionTokens, 0),
        reasoningTokens: choices.reduce((sum, choice) => sum + choice.answer.reasoningTokens, 0),
        ...(draftedTokens > 0 ? { draftedTokens, acceptedTokens } : {}),
      },
      times: {
        queuedMs: Math.min(waited, first - submittedAt),
        prefillMs: prefillMs ?? first - started,
        firstTokenMs: first - submittedAt,
        totalMs: now - submittedAt,
      },
    }
  }

  /** A listener that throws is its owner's fault and may not stop the answers of others. */
  function deliver(events: readonly GenerationEvent[]): void {
    if (events.length === 0) return
    try {
      onEvents(events)
    } catch (error) {
      over = true
      process.emitWarning(error instanceof Error ? error : String(error))
    }
  }

  function take(): GenerationEvent[] {
    const events = [...own, ...choices.flatMap((choice) => choice.answer.take())]
    own = []
    return events
  }

  return {
    request,
    get choices() {
      return choices
    },
    get over() {
      return over
    },
    get started() {
      return startedAt !== null
    },
    encoded(made, tokens) {
      encodedAt = clock.now()
      choices = made
      promptTokens = tokens
      own.push({ type: "queued", promptTokens })
    },
    begun(cached, divergence) {
      if (startedAt !== null) return
      startedAt = clock.now()
      cachedTokens = cached
      own.push({ type: "started", cachedTokens, ...(divergence === undefined ? {} : { divergence }) })
    },
    tokenReceived() {
      firstTokenAt ??= clock.now()
    },
    measured(queued, prefill) {
      queuedMs ??= queued
      prefillMs ??= prefill
    },
    flush() {
      if (over) return
      const events = take()
      if (choices.length > 0 && choices.every((choice) => choice.answer.finished)) {
        over = true
        events.push(done())
      }
      deliver(events)
    },
    fail(error) {
      if (over) return
      over = true
      deliver([...take(), { type: "error", error }])
    },
    cancel() {
      over = true
    },
  }
}
