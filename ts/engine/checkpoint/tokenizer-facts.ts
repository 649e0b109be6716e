// What tokenizer_config.json and generation_config.json say: templates, special tokens, sampling defaults. Knows no files.

import { EngineError } from "../errors.ts"
import { CONFIG_BOUNDS, type ConfigFields, isJsonObject, type JsonObject } from "./config-fields.ts"

/** Texts by the names that templates use. */
export interface SpecialTokens {
  readonly bos_token?: string
  readonly eos_token?: string
  readonly unk_token?: string
  readonly pad_token?: string
}

/** What the model's authors recommend; absent where they say nothing. */
export interface GenerationDefaults {
  readonly temperature?: number
  readonly topP?: number
  readonly topK?: number
  readonly minP?: number
  readonly repetitionPenalty?: number
}

export interface TokenizerFacts {
  readonly chatTemplates: Readonly<Record<string, string>>
  readonly specialTokens: SpecialTokens
  /** Id of eos_token, where the file lists added tokens. */
  readonly eosId: number | null
}

const SPECIAL_NAMES = ["bos_token", "eos_token", "unk_token", "pad_token"] as const

export function tokenizerFacts(json: JsonObject, source: string): TokenizerFacts {
  const specialTokens: { -readonly [name in keyof SpecialTokens]: string } = {}
  for (const name of SPECIAL_NAMES) {
    const text = tokenText(json[name])
    if (text !== null) specialTokens[name] = text
  }
  const added = isJsonObject(json["added_tokens_decoder"]) ? json["added_tokens_decoder"] : {}
  const eos = Object.entries(added).find(
    ([, token]) => tokenText(token) !== null && tokenText(token) === specialTokens.eos_token,
  )
  const eosId = eos === undefined ? null : Number(eos[0])
  return {
    chatTemplates: chatTemplates(json["chat_template"], source),
    specialTokens,
    eosId: eosId !== null && Number.isSafeInteger(eosId) && eosId < CONFIG_BOUNDS.vocabulary.most ? eosId : null,
  }
}

/** A text, or an added token as an object with its text in "content". */
function tokenText(value: unknown): string | null {
  if (typeof value === "string") return value
  return isJsonObject(value) && typeof value["content"] === "string" ? value["content"] : null
}

/** One template, or a list of {name, template}. */
function chatTemplates(value: unknown, source: string): Readonly<Record<string, string>> {
  if (value === undefined || value === null) return {}
  if (typeof value === "string") return { default: value }
  if (!Array.isArray(value)) throw new EngineError("model_unreadable", `${source}: "chat_template" is not a text.`)
  const templates: Record<string, string> = {}
  for (const entry of value) {
    if (!isJsonObject(entry) || typeof entry["name"] !== "string" || typeof entry["template"] !== "string")
      throw new EngineError("model_unreadable", `${source}: "chat_template" holds an entry without name or template.`)
    templates[entry["name"]] = entry["template"]
  }
  return templates
}

/** do_sample false means greedy. */
export function generationDefaults(fields: ConfigFields): GenerationDefaults {
  const defaults: { -readonly [name in keyof GenerationDefaults]: number } = {}
  if (fields.has("temperature")) defaults.temperature = fields.number("temperature", { least: 0, most: 100 })
  if (!fields.flag("do_sample", true)) defaults.temperature = 0
  if (fields.has("top_p")) defaults.topP = fields.number("top_p", { least: 0, most: 1 })
  if (fields.has("top_k")) defaults.topK = fields.integer("top_k", { least: -1, most: 1 << 22 })
  if (fields.has("min_p")) defaults.minP = fields.number("min_p", { least: 0, most: 1 })
  if (fields.has("repetition_penalty"))
    defaults.repetitionPenalty = fields.number("repetition_penalty", { least: 0, most: 100 })
  return defaults.topK === -1 ? { ...defaults, topK: 0 } : defaults
}
