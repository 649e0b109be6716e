// Gathers one request body under a byte cap and a silence deadline. Knows no socket: a server pushes chunks.

import { HttpError } from "./error-response.ts"
import { LIMITS } from "./limits.ts"

export interface BodyCollector {
  /** A chunk that the caller does not reuse. */
  push(chunk: Buffer): void
  finish(): void
  /** The client went away, or its body is not wanted any more. */
  abort(): void
  /** The same promise each time. */
  body(): Promise<Buffer>
}

export function createBodyCollector(limitBytes: number, declaredBytes: number | null): BodyCollector {
  const chunks: Buffer[] = []
  let size = 0
  let settled = false
  let resolveBody: (body: Buffer) => void = () => {}
  let rejectBody: (error: HttpError) => void = () => {}
  const promise = new Promise<Buffer>((resolve, reject) => {
    resolveBody = resolve
    rejectBody = reject
  })
  // A route may answer without ever asking for the body.
  promise.catch(() => {})

  const settle = () => {
    settled = true
    clearTimeout(silence)
    chunks.length = 0
  }
  const fail = (error: HttpError) => {
    if (settled) return
    settle()
    rejectBody(error)
  }
  const silence = setTimeout(() => fail(new HttpError("request_timeout")), LIMITS.bodySilenceMs)
  silence.unref()

  const tooLarge = () =>
    fail(new HttpError("body_too_large", `The body is larger than ${limitBytes} bytes, the most this server reads.`))
  if (declaredBytes !== null && declaredBytes > limitBytes) tooLarge()

  return {
    push(chunk) {
      if (settled) return
      silence.refresh()
      size += chunk.length
      if (size > limitBytes) return tooLarge()
      chunks.push(chunk)
    },
    finish() {
      if (settled) return
      const [only] = chunks
      const body = chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, size)
      settle()
      resolveBody(body)
    },
    abort: () => fail(new HttpError("bad_request", "The client went away before the body was complete.")),
    body: () => promise,
  }
}

/** Null: no usable Content-Length. */
export function declaredLength(header: string | undefined): number | null {
  return header !== undefined && /^\d{1,15}$/.test(header) ? Number(header) : null
}
