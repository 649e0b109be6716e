// For tests: an engine over a link that does what the test says, and a vocabulary in which token i is the character of
// code i (token 0 ends an answer).

import type { ModelFiles } from "./checkpoint/index.ts"
import { createEngine, type EngineOptions } from "./engine.ts"
import type { EngineClock } from "./engine-clock.ts"
import type { Engine, GenerationEvent, GenerationRequest, Prompt } from "./generation.ts"
import type { Command, EngineLink, LinkNotice, LinkState, ModelFacts, SubmitCommand } from "./link.ts"
import { FinishCode, RecordKind } from "./rings/record.ts"
import type { TextPool } from "./text/index.ts"

export interface ScriptedLink extends EngineLink {
  readonly commands: Command[]
  readonly submits: () => SubmitCommand[]
  /** The n-th submit; there must be one. Negative: from the end. */
  readonly submitted: (n: number) => SubmitCommand
  /** Commands that still fit. */
  room: number
  drain(): void
  become(state: LinkState): void
  notice(notice: LinkNotice): void
  /** One batch of records. */
  records(...batches: readonly (readonly number[])[]): void
}

export function createScriptedLink(): ScriptedLink {
  let state: LinkState = "connecting"
  const onState: ((state: LinkState) => void)[] = []
  const onRecords: ((words: Int32Array) => void)[] = []
  const onNotice: ((notice: LinkNotice) => void)[] = []
  const onDrain: (() => void)[] = []
  const commands: Command[] = []
  const submits = (): SubmitCommand[] => commands.filter((command) => command.kind === "submit")
  return {
    commands,
    submits,
    submitted(n) {
      const command = submits().at(n)
      if (command === undefined) throw new Error(`there is no submit ${n}`)
      return command
    },
    room: Number.POSITIVE_INFINITY,
    get state() {
      return state
    },
    send(command) {
      if (this.room < 1) return false
      this.room--
      commands.push(command)
      return true
    },
    drain: () => onDrain.forEach((listener) => listener()),
    become(next) {
      state = next
      onState.forEach((listener) => listener(next))
    },
    notice: (notice) => onNotice.forEach((listener) => listener(notice)),
    records: (...batches) => onRecords.forEach((listener) => listener(Int32Array.from(batches.flat()))),
    onRecords: (listener) => void onRecords.push(listener),
    onNotice: (listener) => void onNotice.push(listener),
    onState: (listener) => void onState.push(listener),
    onDrain: (listener) => void onDrain.push(listener),
    close: async () => {},
  }
}

type Key = { readonly slot: number; readonly generation: number }
const float = (value: number): number => new Int32Array(Float32Array.of(value).buffer)[0] ?? 0

/** Records of one slot. */
export const record = {
  started: ({ slot, generation }: Key, cached = 0) => [RecordKind.started, slot, generation, 0, 3, cached, 0, 0],
  token: ({ slot, generation }: Key, id: number, logprob = -1) => [
    RecordKind.token,
    slot,
    generation,
    0,
    id,
    float(logprob),
    id === 0 ? 1 : 0,
    0,
  ],
  text: (key: Key, text: string) => Array.from(text, (char) => record.token(key, char.charCodeAt(0))).flat(),
  alternative: ({ slot, generation }: Key, id: number, logprob: number) => [
    RecordKind.alternative,
    slot,
    generation,
    0,
    id,
    float(logprob),
    0,
    0,
  ],
  finish: ({ slot, generation }: Key, code: keyof typeof FinishCode, queuedUs = 0) => [
    RecordKind.finish,
    slot,
    generation,
    0,
    FinishCode[code],
    0,
    queuedUs,
    0,
  ],
  statistics: ({ slot, generation }: Key, prefillUs: number) => [
    RecordKind.statistics,
    slot,
    generation,
    0,
    prefillUs,
    0,
    0,
    0,
  ],
  error: ({ slot, generation }: Key, code: number) => [RecordKind.error, slot, generation, 0, code, 0, 0, 0],
}

export const CONTEXT_LENGTH = 100

const FILES: ModelFiles = {
  path: "/model",
  name: "model",
  format: "safetensors",
  config: {
    family: "llama",
    hiddenSize: 1,
    layers: 1,
    queryHeads: 1,
    kvHeads: 1,
    headDim: 1,
    intermediateSize: 1,
    vocabularySize: 128,
    contextLength: CONTEXT_LENGTH,
    normEps: 1e-5,
    ropeTheta: 10000,
    ropeScaling: null,
    ropePairs: false,
    attentionBias: false,
    mlpBias: false,
    tiedEmbeddings: true,
    slidingWindow: null,
    moe: null,
    quantization: null,
    moduleQuantization: {},
    names: "hf",
  },
  tokenizer: { kind: "json", path: "/model/tokenizer.json" },
  chatTemplates: { default: "" },
  specialTokens: {},
  defaults: {},
  eosIds: [0],
  bosId: null,
  contextLength: CONTEXT_LENGTH,
  sizeBytes: 1,
  parameters: 1,
  quantization: "f32",
}

/** One token a character; of a chat the last message alone. Thoughts stand between < and >. */
function createCharacterPool(): TextPool {
  const bytes = Uint8Array.from({ length: 128 }, (_, i) => i).subarray(1)
  const offsets = Int32Array.from({ length: 129 }, (_, i) => Math.max(0, i - 1))
  return {
    facts: async () => ({
      tokens: { bytes, offsets, stripsLeadingSpace: false },
      vocabularySize: 128,
      reasoning: { open: "<", close: ">" },
      endOfThoughtIds: [62],
      toolFormat: null,
      eosIds: [0],
      fillsIn: false,
      lineBreakIds: [],
      hasChatTemplate: true,
    }),
    encode: async (_, prompt) => ({
      ids: Int32Array.from(textOf(prompt), (char) => char.charCodeAt(0)),
      startsInReasoning: false,
      rule: null,
    }),
    close: async () => {},
  }
}

function textOf(prompt: Prompt): string {
  if (prompt.kind === "text") return prompt.text
  return prompt.kind === "chat" ? (prompt.messages.at(-1)?.content ?? "") : ""
}

export interface TestClock extends EngineClock {
  advance(ms: number): void
}

function createTestClock(): TestClock {
  let now = 0
  let timers: { readonly at: number; readonly action: () => void }[] = []
  return {
    now: () => now,
    after(ms, action) {
      const timer = { at: now + ms, action }
      timers.push(timer)
      return () => {
        timers = timers.filter((other) => other !== timer)
      }
    },
    advance(ms) {
      now += ms
      const due = timers.filter((timer) => timer.at <= now)
      timers = timers.filter((timer) => timer.at > now)
      for (const timer of due) timer.action()
    },
  }
}

/** All promises that can go on have gone on. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

export interface Collected {
  readonly events: GenerationEvent[]
  /** Events of one call each. */
  readonly batches: (readonly GenerationEvent[])[]
  text(choice?: number): string
  cancel(): void
}

export interface TestEngine {
  readonly engine: Engine
  readonly link: ScriptedLink
  readonly clock: TestClock
  readonly submit: (request?: Partial<GenerationRequest>) => Promise<Collected>
  readonly loaded: () => void
}

/** The model is loaded unless `cold`. */
export async function createTestEngine(
  options: Partial<EngineOptions> & { readonly cold?: boolean } = {},
): Promise<TestEngine> {
  const link = createScriptedLink()
  const clock = createTestClock()
  const { cold, ...rest } = options
  const engine = createEngine({
    link,
    clock,
    models: [{ id: "m", files: FILES }],
    textPool: createCharacterPool(),
    ...rest,
  })
  const facts: ModelFacts = {
    backend: "b",
    threads: 1,
    weightBytes: 1,
    kvBytesTotal: 1000,
    kvPositions: 500,
    contextLength: CONTEXT_LENGTH,
    loadMs: 1,
    certificate: null,
  }
  const loaded = (): void => link.notice({ type: "loaded", model: 0, facts })
  await settled()
  if (cold !== true) {
    link.become("up")
    loaded()
  }
  return {
    engine,
    link,
    clock,
    loaded,
    async submit(request) {
      const events: GenerationEvent[] = []
      const batches: (readonly GenerationEvent[])[] = []
      const handle = engine.submit(
        {
          id: "r",
          model: "m",
          prompt: { kind: "text", text: "abc" },
          sampling: { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 7n, ignoreEos: false },
          maxTokens: 20,
          stop: [],
          choices: 1,
          ...request,
        },
        (batch) => {
          batches.push(batch)
          events.push(...batch)
        },
      )
      await settled()
      return {
        events,
        batches,
        text: (choice = 0) =>
          events.flatMap((event) => (event.type === "text" && event.choice === choice ? [event.text] : [])).join(""),
        cancel: () => handle.cancel(),
      }
    },
  }
}
