// Bytes of a request body to a JSON value, under a cap on nesting. Runs on the main thread: the text of a prompt is a
// few long strings, which JSON.parse copies at about 1 GB/s; the worst legal body (8 MiB of tiny arrays) is what
// LIMITS.bodyBytes bounds.

import { HttpError } from "./error-response.ts"
import { LIMITS } from "./limits.ts"

export function parseJson(body: Buffer): unknown {
  if (body.length === 0) throw new HttpError("invalid_json", "The body is empty; send a JSON object.")
  if (nestsDeeperThan(body, LIMITS.jsonDepth))
    throw new HttpError("json_too_deep", `The body nests deeper than ${LIMITS.jsonDepth} levels.`)
  const text = body.toString("utf8")
  try {
    return JSON.parse(text)
  } catch (error) {
    // V8's message quotes the body, which may be a prompt: give the position only.
    const at = /position (\d+)/.exec(error instanceof Error ? error.message : "")?.[1]
    throw new HttpError("invalid_json", at === undefined ? undefined : `The body is not valid JSON at character ${at}.`)
  }
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

/** Counts brackets outside strings; says nothing of validity. */
function nestsDeeperThan(body: Buffer, limit: number): boolean {
  let depth = 0
  for (let index = 0; index < body.length; index++) {
    const byte = body[index]
    if (byte === QUOTE) {
      index = endOfString(body, index)
    } else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) {
      depth++
      if (depth > limit) return true
    } else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) depth--
  }
  return false
}

/** Index of the closing quote, or the length. Long strings are crossed by indexOf, not byte by byte. */
function endOfString(body: Buffer, open: number): number {
  let quote = open
  for (;;) {
    quote = body.indexOf(QUOTE, quote + 1)
    if (quote < 0) return body.length
    let slashes = 0
    while (body[quote - 1 - slashes] === BACKSLASH) slashes++
    if (slashes % 2 === 0) return quote
  }
}
