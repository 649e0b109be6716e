// The models of an engine: loads them in the token half whenever its link comes up, and their text facts once. Knows no
// request.

import type { ModelFiles } from "./checkpoint/index.ts"
import { EngineError } from "./errors.ts"
import type { ModelInfo } from "./generation.ts"
import type { EngineLink, LinkNotice, ModelFacts } from "./link.ts"
import { createTokenText, type ModelTextFacts, type TextPool, type TokenText } from "./text/index.ts"

export interface EngineModel {
  /** Name in requests. */
  readonly id: string
  readonly files: ModelFiles
  /** Options of the token half for this model, sent as JSON. */
  readonly loadOptions?: Readonly<Record<string, unknown>>
}

export interface ModelSession {
  readonly number: number
  readonly id: string
  readonly files: ModelFiles
  /** null until they are read. */
  readonly text: { readonly facts: ModelTextFacts; readonly tokens: TokenText } | null
  readonly state: "waiting" | "loading" | "loaded" | "failed"
  /** Of the token half, once loaded. */
  readonly facts: ModelFacts | null
  /** Prompt and completion together, at most. */
  readonly contextLength: number
}

export interface ModelSessions {
  readonly all: readonly ModelSession[]
  /** Throws model_not_found. */
  find(id: string): ModelSession
  state(id: string): ModelSession["state"]
  /** Has all models loaded that are not; as many as the link has room for. */
  load(): void
  /** The token half is gone, and what it had loaded. */
  lost(): void
  notice(notice: LinkNotice): void
  readonly ready: boolean
  /** What is missing, for a person; "" when ready. */
  readonly detail: string
  infos(): readonly ModelInfo[]
}

type Mutable<Type> = { -readonly [key in keyof Type]: Type[key] }

export interface ModelSessionsOptions {
  readonly link: EngineLink
  readonly models: readonly EngineModel[]
  readonly textPool: TextPool
  readonly onChange: () => void
}

export function createModelSessions(options: ModelSessionsOptions): ModelSessions {
  const { link, textPool, onChange } = options
  const loadedAt = new Map<number, number>()
  const failures = new Map<number, string>()
  const unreadable = new Set<number>()
  const all = options.models.map(({ id, files }, number): Mutable<ModelSession> => {
    const { contextLength } = files
    return { number, id, files, text: null, state: "waiting", facts: null, contextLength }
  })

  for (const session of all) void readText(session)

  async function readText(session: Mutable<ModelSession>): Promise<void> {
    try {
      const facts = await textPool.facts(session.files)
      session.text = { facts, tokens: createTokenText(facts.tokens) }
    } catch (error) {
      failures.set(session.number, error instanceof Error ? error.message : String(error))
      unreadable.add(session.number)
      session.state = "failed"
    }
    onChange()
  }

  function load(): void {
    for (const session of all) {
      if (session.state !== "waiting" || link.state !== "up") continue
      const loadOptions = options.models[session.number]?.loadOptions ?? {}
      const { number, files } = session
      if (!link.send({ kind: "load", model: number, path: files.path, options: JSON.stringify(loadOptions) })) return
      session.state = "loading"
    }
  }

  function detailOf(session: ModelSession): string {
    if (session.state === "failed")
      return `The model ${session.id} failed to load: ${failures.get(session.number) ?? ""}`
    if (session.text === null) return `The tokenizer of ${session.id} is loading.`
    return session.state === "loaded" ? "" : `The model ${session.id} is loading.`
  }

  return {
    all,
    find(id) {
      const found = all.find((session) => session.id === id)
      if (found !== undefined) return found
      const names = all.map((session) => session.id).join(", ")
      throw new EngineError("model_not_found", `No model named "${id}" is loaded. Loaded: ${names}.`, {
        param: "model",
      })
    },
    state: (id) => all.find((session) => session.id === id)?.state ?? "waiting",
    load,
    lost() {
      for (const session of all) if (!unreadable.has(session.number)) session.state = "waiting"
    },
    notice(notice) {
      if (notice.type !== "loaded" && notice.type !== "load_failed") return
      const session = all[notice.model]
      if (session === undefined) return
      if (notice.type === "loaded") {
        session.state = unreadable.has(session.number) ? "failed" : "loaded"
        session.facts = notice.facts
        const { kvPositions, contextLength } = notice.facts
        const allowed = [kvPositions, contextLength].filter((positions) => positions > 0)
        session.contextLength = Math.min(session.files.contextLength, ...allowed)
        if (!loadedAt.has(session.number)) loadedAt.set(session.number, Math.floor(Date.now() / 1000))
      } else {
        session.state = "failed"
        failures.set(session.number, notice.message)
      }
      onChange()
    },
    get ready() {
      return all.every((session) => session.state === "loaded" && session.text !== null)
    },
    get detail() {
      return all.map(detailOf).find((detail) => detail !== "") ?? ""
    },
    infos: () =>
      all.map(({ id, files, text, number, contextLength }) => ({
        id,
        path: files.path,
        family: files.config.family,
        contextLength,
        vocabularySize: files.config.vocabularySize,
        parameters: files.parameters,
        quantization: files.quantization,
        sizeBytes: files.sizeBytes,
        loadedAt: loadedAt.get(number) ?? 0,
        defaults: files.defaults,
        capabilities: [
          "completion",
          ...(text?.facts.hasChatTemplate ? ["chat"] : []),
          ...(text !== null && text.facts.toolFormat !== null ? ["tools"] : []),
          ...(text?.facts.fillsIn ? ["insert"] : []),
          ...(text !== null && text.facts.reasoning !== null ? ["thinking"] : []),
        ],
      })),
  }
}
