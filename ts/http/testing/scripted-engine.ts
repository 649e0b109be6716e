// An Engine without a model: answers what a script says, event batch by event batch, and keeps what it was asked. A real
// implementation of the interface for the tests of this folder: order, cancellation and states hold as in the true one.

import {
  EngineError,
  type Engine,
  type EngineState,
  type EngineStatus,
  type GenerationEvent,
  type GenerationRequest,
  type ModelInfo,
  type StepWork,
} from "../../engine/index.ts"

/** Each yield is one batch. It may await whatever a test holds in its hand. */
export type Script = (request: GenerationRequest) => AsyncIterable<readonly GenerationEvent[]>

export interface ScriptedEngine extends Engine {
  readonly submitted: GenerationRequest[]
  readonly cancelled: string[]
  /** Used for requests to come. */
  script: Script
  setState(state: EngineState, detail?: string): void
  reportWork(work: StepWork): void
  capacity: number
  /** Resolves with the id of the next request cancelled. */
  nextCancel(): Promise<string>
  nextSubmit(): Promise<GenerationRequest>
}

const SCRIPTED_MODEL: ModelInfo = {
  id: "org/scripted-1b",
  path: "models/scripted-1b",
  family: "llama",
  contextLength: 64,
  vocabularySize: 256,
  parameters: 1_000_000,
  quantization: "4-bit",
  sizeBytes: 600_000,
  loadedAt: 1_700_000_000,
  capabilities: ["completion", "chat", "tools"],
}

const DEFAULT_ANSWER = ["Paris", " is", " the", " capital", " of", " France", "."]

export function createScriptedEngine(script: Script = speak(DEFAULT_ANSWER)): ScriptedEngine {
  let state: EngineState = "ready"
  let detail = ""
  let running = 0
  const cancelWaiters: ((id: string) => void)[] = []
  const submitWaiters: ((request: GenerationRequest) => void)[] = []
  const workListeners: ((work: StepWork) => void)[] = []
  const listeners: ((status: EngineStatus) => void)[] = []

  const engine: ScriptedEngine = {
    submitted: [],
    cancelled: [],
    script,
    capacity: 8,
    status: () => ({
      state,
      detail,
      models: state === "ready" ? [SCRIPTED_MODEL] : [],
      running,
      waiting: 0,
      capacity: engine.capacity,
      restarts: 0,
      kv: { bytesUsed: 0, bytesTotal: 1024, positionsTotal: 64 },
      held: { slots: 0, sequences: 0 },
      speculation: null,
    }),
    submit(request, onEvents) {
      engine.submitted.push(request)
      let open = true
      running++
      const end = () => {
        if (open) running--
        open = false
      }
      const play = async () => {
        // Events never come before submit has returned.
        await Promise.resolve()
        for (const resolve of submitWaiters.splice(0)) resolve(request)
        for await (const batch of engine.script(request)) {
          if (!open) return
          const last = batch.at(-1)
          if (last?.type === "done" || last?.type === "error") end()
          onEvents(batch)
        }
      }
      play().catch((error: unknown) => {
        if (!open) return
        end()
        onEvents([{ type: "error", error: new EngineError("internal", undefined, { cause: error }) }])
      })
      return {
        cancel() {
          if (!open) return
          end()
          engine.cancelled.push(request.id)
          for (const resolve of cancelWaiters.splice(0)) resolve(request.id)
        },
      }
    },
    tokenize: (_model, prompt) =>
      Promise.resolve(Int32Array.from(prompt.kind === "tokens" ? prompt.ids : Buffer.from(JSON.stringify(prompt)))),
    detokenize: (_model, ids) => Promise.resolve(Buffer.from(ids).toString()),
    onStatus: (listener) => void listeners.push(listener),
    onWork: (listener) => void workListeners.push(listener),
    reportWork(work) {
      for (const listener of workListeners) listener(work)
    },
    close: () => Promise.resolve(),
    setState(next, why = "") {
      state = next
      detail = why
      for (const listener of listeners) listener(engine.status())
    },
    nextCancel: () => new Promise((resolve) => cancelWaiters.push(resolve)),
    nextSubmit: () => new Promise((resolve) => submitWaiters.push(resolve)),
  }
  return engine
}

/** Says the same words in every choice, one token each, and honours stop, maxTokens and logprobs as the engine does. */
function speak(words: readonly string[]): Script {
  return async function* (request) {
    yield [
      { type: "queued", promptTokens: 5 },
      { type: "started", cachedTokens: 2 },
    ]
    let completionTokens = 0
    for (let choice = 0; choice < request.choices; choice++) {
      const said = cut(words, request)
      completionTokens += said.words.length
      for (const word of said.words) yield [textEvent(choice, word, request.logprobs)]
      yield [{ type: "finished", choice, reason: said.reason, ...(said.stop === null ? {} : { stop: said.stop }) }]
    }
    yield [doneEvent(completionTokens)]
  }
}

export function textEvent(choice: number, text: string, logprobs?: number): GenerationEvent {
  const token = { id: 1, bytes: Buffer.from(text), logprob: -0.5 }
  return {
    type: "text",
    choice,
    text,
    tokens: 1,
    ...(logprobs === undefined ? {} : { logprobs: [{ ...token, top: Array.from({ length: logprobs }, () => token) }] }),
  }
}

export function doneEvent(completionTokens: number): GenerationEvent {
  return {
    type: "done",
    usage: { promptTokens: 5, cachedTokens: 2, completionTokens, reasoningTokens: 0 },
    times: { queuedMs: 1, prefillMs: 2, firstTokenMs: 3, totalMs: 4 },
  }
}

function cut(words: readonly string[], request: GenerationRequest) {
  const limit = request.maxTokens ?? Number.POSITIVE_INFINITY
  const kept: string[] = []
  for (const word of words) {
    const stop = request.stop.find((text) => (kept.join("") + word).includes(text))
    if (stop !== undefined) return { words: kept, reason: "stop" as const, stop }
    if (kept.length >= limit) return { words: kept, reason: "length" as const, stop: null }
    kept.push(word)
  }
  return { words: kept, reason: "stop" as const, stop: null }
}
