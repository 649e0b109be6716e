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
    const draftedTokens = run.choices.reduce((sum, choice) => sum + choice.draftedTokens, 0)
    const acceptedTokens = run.choices.reduce((sum, choice) => sum + choice.acceptedTokens, 0)
    const waited = queuedMs === null ? started - submittedAt : (encodedAt ?? submittedAt) - submittedAt + queuedMs
    return {
      type: "done",
      usage: {
        promptTokens,
        cachedTokens,
        completionTokens: run.choices.reduce((sum, choice) => sum + choice.completionTokens, 0),
        reasoningTokens: run.choices.reduce((sum, choice) => sum + choice.answer.reasoningTokens, 0),
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
      run.over = true
      process.emitWarning(error instanceof Error ? error : String(error))
    }
  }

  function take(): readonly GenerationEvent[] {
    const [first] = run.choices
    // One answer and no news of the run's own: nearly every token.
    if (own.length === 0 && run.choices.length === 1 && first !== undefined) return first.answer.take()
    const events = [...own, ...run.choices.flatMap((choice) => choice.answer.take())]
    own = []
    return events
  }

  function areFinished(): boolean {
    for (const choice of run.choices) if (!choice.answer.finished) return false
    return run.choices.length > 0
  }

  // Fields, not getters: they are read for every token, and objects of one shape are read fast.
  const run = {
    request,
    choices: [] as readonly Choice[], // filled when the prompt is encoded
    over: false,
    started: false,
    encoded(made: readonly Choice[], tokens: number): void {
      encodedAt = clock.now()
      run.choices = made
      promptTokens = tokens
      own.push({ type: "queued", promptTokens })
    },
    begun(cached: number, divergence?: CacheDivergence): void {
      if (run.started) return
      run.started = true
      startedAt = clock.now()
      cachedTokens = cached
      own.push({ type: "started", cachedTokens, ...(divergence === undefined ? {} : { divergence }) })
    },
    tokenReceived(): void {
      firstTokenAt ??= clock.now()
    },
    measured(queued: number, prefill: number | null): void {
      queuedMs ??= queued
      prefillMs ??= prefill
    },
    flush(): void {
      if (run.over) return
      const events = take()
      if (areFinished()) {
        run.over = true
        deliver([...events, done()])
      } else deliver(events)
    },
    fail(error: EngineError): void {
      if (run.over) return
      run.over = true
      deliver([...take(), { type: "error", error }])
    },
    cancel(): void {
      run.over = true
    },
  }
  return run
}
