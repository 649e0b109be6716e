// Bytes of a request body to a JSON value, under caps on nesting and on the number of values. Runs on the main thread: 8 MB
// of prompt text take 10 ms (long strings are copied), and a worker would hand its result back by a copy that costs more
// than parsing. What is slow is many small values, and those are capped.

import { HttpError } from "./error-response.ts"
import { LIMITS } from "./limits.ts"

export function parseJson(body: Buffer): unknown {
  if (body.length === 0) throw new HttpError("invalid_json", "The body is empty; send a JSON object.")
  boundStructure(body)
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
const COMMA = 0x2c

/** Counts brackets and commas outside strings; says nothing of validity. */
function boundStructure(body: Buffer): void {
  let depth = 0
  let values = 1
  for (let index = 0; index < body.length; index++) {
    const byte = body[index]
    if (byte === QUOTE) index = endOfString(body, index)
    else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) {
      depth++
      values++
    } else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) depth--
    else if (byte === COMMA) values++
    if (depth > LIMITS.jsonDepth)
      throw new HttpError("json_too_deep", `The body nests deeper than ${LIMITS.jsonDepth} levels.`)
    if (values > LIMITS.jsonValues)
      throw new HttpError("json_too_large", `The body holds more than ${LIMITS.jsonValues} values.`)
  }
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
