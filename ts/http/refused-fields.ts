// Top-level request fields by what happens to them. A field that would change the answer and is not honoured is refused
// unless it carries its neutral value; bookkeeping is accepted; names that no table knows are named in a header.

import { HttpError } from "./error-response.ts"
import { LIMITS } from "./limits.ts"

type Neutral = (value: unknown) => boolean

const never: Neutral = () => false
const is =
  (...values: readonly unknown[]): Neutral =>
  (value) =>
    values.includes(value)
const emptyList: Neutral = (value) => Array.isArray(value) && value.length === 0

/** Field -> the values that ask for nothing. null always does. */
const REFUSED_FIELDS: Readonly<Record<string, Neutral>> = {
  repeat_penalty: is(0, 1),
  length_penalty: is(1),
  functions: emptyList,
  function_call: is("none", "auto"),
  modalities: (value) => Array.isArray(value) && value.length === 1 && value[0] === "text",
  audio: never,
  web_search_options: never,
  verbosity: is("medium"),
  moderation: never,
  echo: is(false),
  suffix: is(""),
  best_of: is(1),
  use_beam_search: is(false),
  bad_words: emptyList,
  prompt_logprobs: is(0, false),
  truncate_prompt_tokens: never,
  mirostat: is(0),
  chat_template: never,
  documents: emptyList,
  continue_final_message: is(false),
  add_generation_prompt: is(true),
  adapters: never,
  draft_model: never,
  num_draft_tokens: never,
  logits_processors: emptyList,
}

/** Accepted, and without effect on the answer. */
const BOOKKEEPING_FIELDS: readonly string[] = [
  "user",
  "metadata",
  "store",
  "service_tier",
  "prompt_cache_key",
  "prompt_cache_retention",
  "safety_identifier",
  "client_metadata",
  "priority",
  "request_id",
  "cache_prompt",
  "provider",
]

export type FieldFate = "refused" | "bookkeeping"

export const FIELD_FATES: ReadonlyMap<string, FieldFate> = new Map([
  ...Object.keys(REFUSED_FIELDS).map((name) => [name, "refused"] as const),
  ...BOOKKEEPING_FIELDS.map((name) => [name, "bookkeeping"] as const),
])

/**
 * Names of fields that no table knows. Throws unsupported_parameter for one that is refused: by the table, or because
 * only the other route honours it.
 */
export function sortFields(body: object, honoured: ReadonlySet<string>, foreign: ReadonlySet<string>): string[] {
  const unknown: string[] = []
  for (const [name, value] of Object.entries(body)) {
    if (honoured.has(name)) continue
    const neutral = Object.hasOwn(REFUSED_FIELDS, name) ? REFUSED_FIELDS[name] : undefined
    const asksNothing = value === null || neutral?.(value) === true
    if (foreign.has(name)) {
      if (!asksNothing) throw unsupported(name, `'${name}' is not a field of this route.`)
    } else if (neutral !== undefined) {
      if (!asksNothing) throw unsupported(name)
    } else if (FIELD_FATES.get(name) === undefined) unknown.push(name)
  }
  return unknown
}

export function unsupported(param: string, message = `'${param}' is not supported by this server.`): HttpError {
  return new HttpError("unsupported_parameter", message, { param })
}

/** Value of the x-ignored-fields header. */
export function ignoredHeader(names: readonly string[]): Readonly<Record<string, string>> {
  if (names.length === 0) return {}
  const clean = names.slice(0, LIMITS.ignoredFieldsNamed).map((name) => name.replaceAll(/[^\w.-]/g, "?").slice(0, 40))
  return { "x-ignored-fields": clean.join(", ") }
}
