// Traces of requests, where the operator asked for them: the door, and a tracer whose library is loaded only then. What a
// request said is in no trace.

import type { RequestView } from "../dashboard/index.ts"
import type { GenerationRequest } from "../engine/index.ts"

export interface TracedRequest {
  /** As it stands in the request history, ended. */
  readonly view: RequestView
  readonly requests: readonly GenerationRequest[]
  /** The client's W3C header, as sent. */
  readonly traceparent: string | undefined
}

export interface Tracer {
  /** Takes an ended request. Neither waits nor throws. */
  trace(request: TracedRequest): void
  /** Sends what waits, for a bounded time. Idempotent. */
  close(): Promise<void>
}

export interface TracingOptions {
  /** Base address of an OTLP receiver over HTTP. */
  readonly endpoint: string
  readonly version: string
  readonly log: (line: string) => void
}

/** Requests that end before the library is loaded wait for it. Throws where the endpoint is no address. */
export function createTracer(options: TracingOptions): Tracer {
  if (!/^https?:\/\//.test(options.endpoint) || !URL.canParse(options.endpoint))
    throw new Error(`${options.endpoint} is no address of an OTLP receiver: give one such as http://127.0.0.1:4318`)
  const loaded = import("./otlp-tracer.ts").then(({ createOtlpTracer }) => createOtlpTracer(options))
  loaded.catch((error: unknown) => options.log(`http: traces are off: ${String(error)}`))
  return {
    trace: (request) => void loaded.then((tracer) => tracer.trace(request)).catch(() => undefined),
    close: async () => await loaded.then((tracer) => tracer.close()).catch(() => undefined),
  }
}
