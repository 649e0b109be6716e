// One HTTP request's work in the engine: one or several engine requests whose choices are numbered as one list. Holds
// the admission ticket, the metrics record and the stall deadline, and gives them all back at the one end. Knows no wire
// format: a RunSink writes the answer.

import type {
  Engine,
  GenerationEvent,
  GenerationHandle,
  GenerationRequest,
  GenerationTimes,
  Usage,
} from "../engine/index.ts"
import type { Admission } from "./admission.ts"
import { HttpError, reportError } from "./error-response.ts"
import type { Metrics } from "./metrics.ts"
import { promptExcerpt } from "./prompt-excerpt.ts"
import type { RequestResult } from "./request-record.ts"
import type { AbortReason } from "./server-port.ts"
import type { Tracer } from "./tracing.ts"

/** Events that carry something for the client. */
export type ReplyEvent = Extract<GenerationEvent, { type: "text" | "reasoning" | "tool_call" | "finished" }>

export interface RunSink {
  /** Never empty. */
  events(events: readonly ReplyEvent[]): void
  done(usage: Usage): void
  failed(error: unknown): void
}

export interface Run {
  /** The client is gone: nothing more is told to the sink. */
  abandon(reason: AbortReason): void
  /** The client read too slowly and lost its connection, and the run goes on. */
  slowReader(): void
  /** Ends it with an error for the client, as at the end of a drain. */
  fail(error: HttpError): void
}

export interface Runs {
  /** Runs that have not ended. */
  readonly active: ReadonlySet<Run>
  /** Throws HttpError when admission refuses. */
  start(spec: RunSpec, sink: RunSink): Run
  /** Resolves when no run is active. */
  idle(): Promise<void>
}

export interface RunSpec {
  readonly id: string
  /** Shown in the request history: "chat", "completion". */
  readonly kind: string
  readonly client: string
  readonly requests: readonly GenerationRequest[]
  /** The client's W3C header. */
  readonly traceparent: string | undefined
}

export function createRuns(parts: {
  readonly engine: Engine
  readonly admission: Admission
  readonly metrics: Metrics
  readonly stallMs: number
  /** Keeps the beginning of each prompt in the history. */
  readonly logPrompts: boolean
  readonly tracer: Tracer | null
}): Runs {
  const active = new Set<Run>()
  const waiting: (() => void)[] = []
  const left = (run: Run) => {
    active.delete(run)
    if (active.size === 0) for (const resolve of waiting.splice(0)) resolve()
  }
  return {
    active,
    idle: () => (active.size === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
    start(spec, sink) {
      const ticket = parts.admission.take(spec.client, spec.requests.length)
      const [first] = spec.requests
      const prompt = parts.logPrompts && first !== undefined ? promptExcerpt(first.prompt) : null
      const record = parts.metrics.begin(spec.id, spec.kind, prompt)
      const handles: GenerationHandle[] = []
      const usages: Usage[] = []
      const times: GenerationTimes[] = []
      let open = true

      const close = () => {
        open = false
        clearTimeout(stall)
        ticket.release()
        left(run)
      }
      const end = (result: RequestResult) => {
        record.end(result)
        const { requests, traceparent } = spec
        parts.tracer?.trace({ view: record.view(), requests, traceparent })
      }
      const fail = (error: unknown, cancel: boolean) => {
        if (!open) return
        close()
        if (cancel) for (const handle of handles) handle.cancel()
        const { code } = reportError(error)
        end({ failed: code === "cancelled" ? "cancelled" : "error", error: code })
        sink.failed(error)
      }
      const run: Run = {
        abandon(reason) {
          if (!open) return
          close()
          if (reason === "slow") record.slowReader()
          for (const handle of handles) handle.cancel()
          end({ failed: "cancelled" })
        },
        slowReader: () => record.slowReader(),
        fail: (error) => fail(error, true),
      }
      const stall = setTimeout(() => fail(new HttpError("stalled"), true), parts.stallMs)
      stall.unref()
      active.add(run)

      const receive = (offset: number, events: readonly GenerationEvent[]) => {
        if (!open) return
        stall.refresh()
        let replies: ReplyEvent[] = []
        const flush = () => {
          const told = replies
          if (told.length === 0) return
          replies = []
          sink.events(told)
        }
        for (const event of events) {
          switch (event.type) {
            case "queued":
              record.promptTokens(event.promptTokens)
              break
            case "started":
              record.started(event.cachedTokens, event.divergence)
              break
            case "finished":
              record.finished(event.reason)
              replies.push({ ...event, choice: event.choice + offset })
              break
            case "text":
            case "reasoning":
              if (event.tokens > 0) record.tokens(event.tokens)
              replies.push(offset === 0 ? event : { ...event, choice: event.choice + offset })
              break
            case "tool_call":
              replies.push(offset === 0 ? event : { ...event, choice: event.choice + offset })
              break
            case "done":
              flush()
              usages.push(event.usage)
              times.push(event.times)
              if (open && usages.length === spec.requests.length) {
                const usage = addUsages(usages)
                close()
                end({ usage, times })
                sink.done(usage)
              }
              break
            case "error":
              flush()
              fail(event.error, spec.requests.length > 1)
              break
          }
          // A sink may end the run from inside events(): a full socket buffer abandons it.
          if (!open) return
        }
        flush()
      }

      let offset = 0
      try {
        for (const request of spec.requests) {
          const first = offset
          offset += request.choices
          handles.push(parts.engine.submit(request, (events) => receive(first, events)))
        }
      } catch (error) {
        fail(error, true)
      }
      return run
    },
  }
}

function addUsages(usages: readonly Usage[]): Usage {
  const sum = (pick: (usage: Usage) => number) => usages.reduce((total, usage) => total + pick(usage), 0)
  return {
    promptTokens: sum((usage) => usage.promptTokens),
    cachedTokens: sum((usage) => usage.cachedTokens),
    completionTokens: sum((usage) => usage.completionTokens),
    reasoningTokens: sum((usage) => usage.reasoningTokens),
    draftedTokens: sum((usage) => usage.draftedTokens ?? 0),
    acceptedTokens: sum((usage) => usage.acceptedTokens ?? 0),
  }
}
