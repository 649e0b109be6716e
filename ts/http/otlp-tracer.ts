// Ended requests -> OpenTelemetry spans over OTLP/HTTP, by OpenTelemetry's own SDK: one span a request, named and
// described by the GenAI conventions, and one for each of its phases. Imported only where traces are asked for.

import { type Attributes, type Context, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api"
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http"
import { resourceFromAttributes } from "@opentelemetry/resources"
import { BasicTracerProvider, BatchSpanProcessor, type SpanExporter } from "@opentelemetry/sdk-trace-base"
import type { RequestView } from "../dashboard/index.ts"
import { LIMITS } from "./limits.ts"
import type { TracedRequest, Tracer, TracingOptions } from "./tracing.ts"

const NAME = "mlx-jaccl-cluster"
/** gen_ai.operation.name of the kinds that are not called as the convention calls them. */
const OPERATIONS: Readonly<Record<string, string>> = { completion: "text_completion", embedding: "embeddings" }

export function createOtlpTracer({ endpoint, version, log }: TracingOptions): Tracer {
  const url = `${endpoint.replace(/\/+$/, "")}/v1/traces`
  const exporter = watched(new OTLPTraceExporter({ url, timeoutMillis: LIMITS.traceExportMs }), endpoint, log)
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ "service.name": NAME, "service.version": version }),
    spanProcessors: [
      new BatchSpanProcessor(exporter, {
        maxQueueSize: LIMITS.traceSpans,
        scheduledDelayMillis: LIMITS.traceIntervalMs,
        exportTimeoutMillis: LIMITS.traceCloseMs,
      }),
    ],
  })
  const tracer = provider.getTracer(NAME, version)
  let closing: Promise<void> | undefined

  return {
    trace(request) {
      const { view } = request
      const beganMs = view.time
      const operation = OPERATIONS[view.kind] ?? view.kind
      const model = request.requests[0]?.model ?? ""
      const span = tracer.startSpan(
        `${operation} ${model}`,
        { kind: SpanKind.SERVER, startTime: at(beganMs), attributes: attributesOf(request, operation, model) },
        parentOf(request.traceparent),
      )
      const inside = trace.setSpan(ROOT_CONTEXT, span)
      for (const [name, fromMs, toMs] of phasesOf(view))
        tracer.startSpan(name, { startTime: at(beganMs + fromMs) }, inside).end(at(beganMs + toMs))
      if (view.error !== null) span.setStatus({ code: SpanStatusCode.ERROR, message: view.error })
      span.end(at(beganMs + view.latency_ms))
    },
    close() {
      closing ??= Promise.race([
        provider.shutdown(),
        new Promise<void>((resolve) => setTimeout(resolve, LIMITS.traceCloseMs).unref()),
      ])
      return closing
    },
  }
}

/** Seconds and nanoseconds of Unix milliseconds, so that parts of a millisecond are kept. */
function at(unixMs: number): [seconds: number, nanoseconds: number] {
  const seconds = Math.floor(unixMs / 1000)
  return [seconds, Math.round((unixMs - seconds * 1000) * 1e6)]
}

function attributesOf({ view, requests }: TracedRequest, operation: string, model: string): Attributes {
  const [first] = requests
  const temperature = first?.sampling.temperature
  return {
    "gen_ai.operation.name": operation,
    "gen_ai.provider.name": NAME,
    "gen_ai.request.model": model,
    "gen_ai.response.model": model,
    "gen_ai.response.id": view.id,
    "gen_ai.usage.input_tokens": view.prompt_tokens,
    "gen_ai.usage.output_tokens": view.completion_tokens,
    "gen_ai.usage.cache_read.input_tokens": view.cached_tokens,
    ...(first === undefined ? {} : { "gen_ai.request.choice.count": first.choices }),
    ...(first?.maxTokens == null ? {} : { "gen_ai.request.max_tokens": first.maxTokens }),
    ...(temperature === undefined ? {} : { "gen_ai.request.temperature": temperature }),
    ...(first === undefined ? {} : { "gen_ai.request.top_p": first.sampling.topP }),
    ...(view.finish_reason === null ? {} : { "gen_ai.response.finish_reasons": [view.finish_reason] }),
    ...(view.error === null ? {} : { "error.type": view.error }),
    ...(view.ttft_ms === null ? {} : { "mlx_cluster.time_to_first_token": view.ttft_ms / 1000 }),
    "mlx_cluster.status": view.status,
  }
}

/** Those that took place; each ends where the next one that is known begins. */
function phasesOf({ timeline, latency_ms: endMs }: RequestView): readonly (readonly [string, number, number])[] {
  const marks: readonly (readonly [string, number | null])[] = [
    ["tokenize", 0],
    ["queue", timeline.queued_ms],
    ["prefill", timeline.prefill_ms],
    ["decode", timeline.first_token_ms],
  ]
  const known = marks.flatMap(([name, fromMs]) => (fromMs === null ? [] : [[name, fromMs] as const]))
  return known.map(([name, fromMs], index) => [name, fromMs, Math.max(fromMs, known[index + 1]?.[1] ?? endMs)] as const)
}

/** The client's span, where it sent one: https://www.w3.org/TR/trace-context/. */
function parentOf(traceparent: string | undefined): Context {
  const found = /^[\da-f]{2}-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})/.exec(traceparent ?? "")
  const [, traceId, spanId, flags] = found ?? []
  if (traceId === undefined || spanId === undefined || /^0+$/.test(traceId) || /^0+$/.test(spanId)) return ROOT_CONTEXT
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags ?? "0", 16) & 1,
    isRemote: true,
  })
}

/** Says once when a receiver cannot be reached, and once when it can be again. */
function watched(exporter: OTLPTraceExporter, endpoint: string, log: (line: string) => void): SpanExporter {
  let failing = false
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        const failed = result.error !== undefined
        if (failed && !failing) log(`http: traces cannot be sent to ${endpoint}: ${result.error?.message ?? "refused"}`)
        if (!failed && failing) log(`http: traces are sent to ${endpoint} again`)
        failing = failed
        done(result)
      })
    },
    forceFlush: async () => await exporter.forceFlush(),
    shutdown: async () => await exporter.shutdown(),
  }
}
