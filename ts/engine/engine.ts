// The text half of the engine: requests in, events out, over an EngineLink. Encodes prompts in the text pool, turns
// records into events, and carries running answers over the loss of a rank process. Knows no HTTP, no socket, no MLX.

import { createChoice } from "./choice.ts"
import { createDispatcher } from "./dispatcher.ts"
import { type EngineClock, systemEngineClock } from "./engine-clock.ts"
import { EngineError } from "./errors.ts"
import type { Engine, EngineState, EngineStatus, GenerationRequest, SpeculationStatus } from "./generation.ts"
import { createGenerationRun, type GenerationRun } from "./generation-run.ts"
import type { EngineLink, LinkState, StepWork, TokenHalfStatistics } from "./link.ts"
import { createModelSessions, type EngineModel, type ModelSession } from "./model-sessions.ts"
import { speculationSum } from "./speculation-sum.ts"
import { checkRequest, completionRoom, thinkingBudget, wishOf } from "./request-check.ts"
import {
  createAnswer,
  createDetokenizer,
  type EncodedPrompt,
  type TextPool,
  toolCallFormatByName,
} from "./text/index.ts"

export interface EngineLimits {
  /** Requests waiting and running. */
  readonly requests: number
  /** Answers a request. */
  readonly choices: number
  /** Choices that the token half knows of at once. */
  readonly slots: number
}

/** Link and pool are closed by who made them. */
export interface EngineOptions {
  readonly link: EngineLink
  readonly models: readonly EngineModel[]
  readonly textPool: TextPool
  readonly limits?: Partial<EngineLimits>
  readonly clock?: EngineClock
  /** Answers go on in the next rank process; without it they fail when theirs is lost. */
  readonly replay?: boolean
  /** How long answers wait for their model to be loaded again. */
  readonly recoveryMs?: number
  /** Who made the link starts the ranks anew when a load fails after a loss: answers wait for that too. */
  readonly retriesLoads?: boolean
}

const DEFAULT_LIMITS: EngineLimits = { requests: 256, choices: 16, slots: 1024 }
const DEFAULT_RECOVERY_MS = 60_000

export function createEngine(options: EngineOptions): Engine {
  const { link, textPool } = options
  const limits: EngineLimits = { ...DEFAULT_LIMITS, ...options.limits }
  const clock = options.clock ?? systemEngineClock
  const replay = options.replay ?? true
  const recoveryMs = options.recoveryMs ?? DEFAULT_RECOVERY_MS
  /** Not over yet, in the order they came. */
  const runs = new Set<GenerationRun>()
  const listeners: ((status: EngineStatus) => void)[] = []
  const sessions = createModelSessions({ link, models: options.models, textPool, onChange: modelsChanged })
  const dispatcher = createDispatcher({
    link,
    slots: limits.slots,
    onFailed: (run, code) => fail(run, new EngineError(code)),
  })
  const workListeners: ((work: StepWork) => void)[] = []
  let linkState: LinkState = "connecting"
  let losses = 0
  let closed = false
  let stopRecoveryTimer: (() => void) | null = null
  let statistics: TokenHalfStatistics | null = null
  /** Of rank processes that are gone. */
  let speculated: SpeculationStatus | null = null

  // --------------------------------------------------------------------------------------------------- requests

  async function begin(run: GenerationRun): Promise<void> {
    try {
      const session = sessions.find(run.request.model)
      checkRequest(run.request, limits.choices)
      if (closed || session.state !== "loaded" || session.text === null)
        throw new EngineError("engine_unavailable", detail() || "The model is loading.")
      const encoded = await textPool.encode(session.files, run.request.prompt, wishOf(run.request))
      const { prediction } = run.request
      const predicted =
        prediction === undefined
          ? undefined
          : await textPool.encode(session.files, { kind: "text", text: prediction, bare: true })
      if (!run.over) admit(run, session, encoded, predicted?.ids)
    } catch (error) {
      fail(run, error instanceof EngineError ? error : new EngineError("internal", undefined, { cause: error }))
    }
  }

  function admit(
    run: GenerationRun,
    session: ModelSession,
    encoded: EncodedPrompt,
    prediction: Int32Array | undefined,
  ): void {
    if (session.text === null || (session.state !== "loaded" && !replay)) throw new EngineError("engine_lost")
    const { facts, tokens } = session.text
    const { request } = run
    const { ids: promptIds, startsInReasoning, rule } = encoded
    const maxTokens = completionRoom(promptIds.length, session.contextLength, request.maxTokens)
    const predictionIds = prediction?.slice(0, maxTokens)
    const isChat = request.prompt.kind === "chat"
    const continues = request.prompt.kind === "chat" && request.prompt.continueFinalMessage === true
    const tools = request.prompt.kind === "chat" ? (request.prompt.tools ?? []) : []
    const toolFormat = tools.length > 0 && facts.toolFormat !== null ? toolCallFormatByName(facts.toolFormat) : null
    const budget = thinkingBudget(request)
    const endIds = facts.endOfThoughtIds
    const thinking = budget === null || !isChat || endIds.length === 0 ? null : { tokens: budget, endIds }
    const choices = Array.from({ length: request.choices }, (_, choice) => {
      const answer = createAnswer({
        choice,
        tokens,
        stop: request.stop,
        keepLeadingSpace: !isChat || continues,
        reasoning: isChat ? facts.reasoning : null,
        startsInReasoning,
        toolFormat,
        tools,
      })
      const logprobs = request.logprobs ?? -1
      return createChoice({ promptIds, predictionIds, maxTokens, logprobs, answer, thinking, rule })
    })
    run.encoded(choices, promptIds.length)
    choices.forEach((choice, index) => dispatcher.enqueue({ run, choice, index, session }))
    run.flush()
    dispatcher.pump()
  }

  function flush(run: GenerationRun): void {
    if (run.over) return
    run.flush()
    if (run.over) end(run)
  }

  function fail(run: GenerationRun, error: EngineError): void {
    if (run.over) return
    run.fail(error)
    end(run)
  }

  /** The run is over: nobody waits for it, and the token half need not go on. */
  function end(run: GenerationRun): void {
    runs.delete(run)
    if (runs.size === 0) stopRecovery()
    dispatcher.cancel(run)
  }

  // ---------------------------------------------------------------------------------------------- loss and recovery

  function linkChanged(state: LinkState): void {
    if (closed || state === linkState) return
    const before = linkState
    linkState = state
    if (state === "up") sessions.load()
    if (state === "lost" && before === "up") lose()
    dispatcher.pump()
    changed()
  }

  /** The rank process is gone: nothing that it was told is known any more. */
  function lose(): void {
    losses++
    const last = speculationSum(speculated, statistics?.speculation ?? null)
    speculated = last === null ? null : { ...last, active: 0, resting: 0 }
    statistics = null
    dispatcher.reset()
    sessions.lost()
    for (const run of runs) {
      if (run.choices.length === 0) continue
      const session = sessions.find(run.request.model)
      const outcomes = run.choices.map((choice) => choice.lost(losses))
      if (outcomes.includes("given up") || (!replay && outcomes.includes("again"))) {
        fail(run, new EngineError("engine_lost"))
        continue
      }
      run.choices.forEach((choice, index) => {
        if (outcomes[index] === "again") dispatcher.enqueue({ run, choice, index, session })
      })
      flush(run)
    }
    if (runs.size > 0) stopRecoveryTimer ??= clock.after(recoveryMs, giveUp)
  }

  function giveUp(): void {
    stopRecoveryTimer = null
    const seconds = Math.round(recoveryMs / 1000)
    const message = `The rank process ended while it served this request, and none was ready again within ${seconds} s.`
    for (const run of runs)
      if (sessions.state(run.request.model) !== "loaded") fail(run, new EngineError("engine_lost", message))
  }

  function stopRecovery(): void {
    stopRecoveryTimer?.()
    stopRecoveryTimer = null
  }

  function modelsChanged(): void {
    if (closed) return
    if (sessions.ready) stopRecovery()
    for (const run of runs)
      if (sessions.state(run.request.model) === "failed" && !(options.retriesLoads === true && run.choices.length > 0))
        fail(run, new EngineError("engine_unavailable", sessions.detail))
    dispatcher.pump()
    changed()
  }

  // ------------------------------------------------------------------------------------------------------ status

  function state(): EngineState {
    if (closed) return "stopped"
    if (linkState !== "up") return losses > 0 ? "lost" : "starting"
    return sessions.ready ? "ready" : "loading"
  }

  function detail(): string {
    if (closed) return "The engine is stopped."
    if (linkState !== "up") return losses > 0 ? "The rank process is restarting." : "The rank process is starting."
    return sessions.detail
  }

  function status(): EngineStatus {
    const running = [...runs].filter((run) => run.started).length
    const facts = sessions.all.map((session) => session.facts)
    return {
      state: state(),
      detail: detail(),
      models: sessions.infos(),
      running,
      waiting: runs.size - running,
      capacity: limits.requests,
      restarts: losses,
      kv: {
        bytesUsed: statistics?.kvBytesUsed ?? 0,
        bytesTotal: statistics?.kvBytesTotal ?? facts.reduce((sum, one) => sum + (one?.kvBytesTotal ?? 0), 0),
        positionsTotal: facts.reduce((sum, one) => sum + (one?.kvPositions ?? 0), 0),
      },
      held: {
        slots: dispatcher.slotsUsed,
        sequences: (statistics?.running ?? 0) + (statistics?.waiting ?? 0),
      },
      speculation: speculationSum(speculated, statistics?.speculation ?? null),
    }
  }

  function changed(): void {
    const now = status()
    for (const listener of listeners) listener(now)
  }

  // --------------------------------------------------------------------------------------------------------- door

  function submit(request: GenerationRequest, onEvents: Parameters<Engine["submit"]>[1]): ReturnType<Engine["submit"]> {
    const run = createGenerationRun(request, onEvents, clock)
    const isFull = runs.size >= limits.requests
    if (!isFull) runs.add(run)
    // Events never come before submit returns.
    queueMicrotask(() => {
      if (run.over) return
      if (isFull) run.fail(new EngineError("overloaded", `${limits.requests} requests are waiting or running already.`))
      else void begin(run)
    })
    return {
      cancel() {
        if (run.over) return
        run.cancel()
        end(run)
      },
    }
  }

  link.onState(linkChanged)
  link.onRecords((words) => {
    if (closed) return
    for (const run of dispatcher.read(words)) flush(run)
    dispatcher.pump()
  })
  link.onDrain(() => {
    if (closed) return
    sessions.load()
    dispatcher.pump()
  })
  link.onNotice((notice) => {
    if (closed) return
    sessions.notice(notice)
    if (notice.type !== "statistics") return
    statistics = notice.statistics
    changed()
    for (const listener of workListeners) listener(statistics.work)
  })
  linkChanged(link.state)

  return {
    status,
    submit,
    async tokenize(model, prompt) {
      return (await textPool.encode(sessions.find(model).files, prompt)).ids
    },
    async detokenize(model, ids) {
      const session = sessions.find(model)
      if (session.text === null) throw new EngineError("engine_unavailable", sessions.detail)
      const detokenizer = createDetokenizer(session.text.tokens, false)
      return ids.map((id) => detokenizer.push(id)).join("")
    },
    onStatus: (listener) => void listeners.push(listener),
    onWork: (listener) => void workListeners.push(listener),
    async close() {
      if (closed) return
      for (const run of runs) fail(run, new EngineError("engine_unavailable", "The engine is stopped."))
      closed = true
      stopRecovery()
      changed()
    },
  }
}
