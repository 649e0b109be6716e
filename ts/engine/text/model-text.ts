// Everything about a model's text that needs its tokenizer: prompts to ids, and the facts that the engine's main thread
// works with afterwards. Runs in the text pool; knows no thread.

import type { Tokenizer } from "mlx-jaccl-rs"
import type { ModelFiles } from "../checkpoint/index.ts"
import { EngineError } from "../errors.ts"
import type { Prompt } from "../generation.ts"
import { type AnswerWish, NO_WISH } from "./answer-rule.ts"
import { type ChatPrompt, createChatTemplate } from "./chat-template.ts"
import type { TokenTextSource } from "./detokenizer.ts"
import { fillIn } from "./fill-in.ts"
import { endOfThought, endsInReasoning, type ReasoningMarkers, reasoningMarkers } from "./reasoning.ts"
import { type CheckRule, createRuleMaker } from "./rule-maker.ts"
import { thinkingOf } from "./thinking-options.ts"
import { type ToolCallFormat, toolCallFormat } from "./tool-calls/index.ts"

/** The part of ModelFiles that text needs; plain data. */
export type ModelTextSource = Pick<
  ModelFiles,
  "path" | "tokenizer" | "chatTemplates" | "specialTokens" | "bosId" | "eosIds"
>

export type TextTokenizer = Pick<
  Tokenizer,
  "encode" | "decode" | "tokenBytes" | "tokenTable" | "idToToken" | "specialIds" | "vocabularySize"
>

export interface EncodedPrompt {
  readonly ids: Int32Array
  /** The prompt ends inside an open thought. */
  readonly startsInReasoning: boolean
  /** What the answer must look like (answer-rule.ts), as JSON; null: anything. */
  readonly rule: string | null
}

/** Plain data for the thread that turns ids into text. */
export interface ModelTextFacts {
  readonly tokens: TokenTextSource
  readonly vocabularySize: number
  readonly reasoning: ReasoningMarkers | null
  /** Tokens that end a thought; none where the model has no markers. */
  readonly endOfThoughtIds: readonly number[]
  /** Name of the tool-call format, or null. */
  readonly toolFormat: string | null
  /** Tokens that end an answer: the files' own, and the template's end-of-turn markers. */
  readonly eosIds: readonly number[]
  /** It was trained to write what stands between two texts. */
  readonly fillsIn: boolean
  /** The token of a line break, where there is one. */
  readonly lineBreakIds: readonly number[]
  readonly hasChatTemplate: boolean
}

export interface ModelText {
  encode(prompt: Prompt, wish?: AnswerWish): EncodedPrompt
  facts(): ModelTextFacts
}

/** Control tokens that end a turn wherever a template uses them. */
const END_OF_TURN = [
  "<|im_end|>",
  "<|eot_id|>",
  "<|eom_id|>",
  "<end_of_turn>",
  "<turn|>",
  "<|end|>",
  "<|call|>",
  "<|return|>",
  "<|end_of_text|>",
  "<|END_OF_TURN_TOKEN|>",
  "</s>",
]

/** Around tool results, where a format has such tokens. */
const TOOL_RESULT_MARKERS = ["<tool_response>", "</tool_response>", "[TOOL_RESULTS]", "[/TOOL_RESULTS]"]

/** `checkRule`: what is wrong with a rule, or null. */
export function createModelText(source: ModelTextSource, tokenizer: TextTokenizer, checkRule: CheckRule): ModelText {
  const controls = new Map(
    [...tokenizer.specialIds()].flatMap((id) => {
      const text = tokenizer.idToToken(id)
      return text === null ? [] : [[text, id] as const]
    }),
  )
  const templates = Object.values(source.chatTemplates).join("\n")
  const markers = reasoningMarkers(templates)
  const format = toolCallFormat(templates)
  // A folder names the texts itself, and none where the model has none; a GGUF file knows ids only.
  const textOf = (id: number | null | undefined): string | null =>
    source.tokenizer.kind === "gguf" && typeof id === "number" ? tokenizer.idToToken(id) : null
  const bosText = source.specialTokens.bos_token ?? textOf(source.bosId)
  const eosText = source.specialTokens.eos_token ?? textOf(source.eosIds[0])
  const template = createChatTemplate({
    chatTemplates: source.chatTemplates,
    specialTokens: { ...source.specialTokens, bos_token: bosText ?? "", eos_token: eosText ?? "" },
    controlTexts: [...controls.keys()],
    markupTexts: [...visibleTexts(markers, format), ...TOOL_RESULT_MARKERS].filter(
      (text) => !controls.has(text) && tokenizer.encode(text, false, true).length === 1,
    ),
  })

  const rules = createRuleMaker(checkRule)
  const free = {
    reasoning: null,
    startsInReasoning: false,
    mayThink: false,
    toolFormat: null,
    template: templates,
    controls,
  }

  function encodeChat(prompt: ChatPrompt, wish: AnswerWish): EncodedPrompt {
    const { text, pieces } = template.render(prompt)
    const continued = prompt.continueFinalMessage === true
    const tail = continued ? (prompt.messages.at(-1)?.content ?? "") : text
    const startsInReasoning = markers !== null && endsInReasoning(markers, tail, continued)
    const silenced = continued ? null : silence(prompt.templateOptions ?? {}, text, startsInReasoning)
    const all = silenced === null ? pieces : [...pieces, { text: silenced, literal: false }]
    const parts = all.map((piece) => tokenizer.encode(piece.text, false, !piece.literal))
    const inReasoning = startsInReasoning && silenced === null
    const hasThought = silenced !== null || (markers !== null && text.trimEnd().endsWith(markers.close))
    const mayThink = inReasoning || !(continued || hasThought)
    const reasoning = { reasoning: markers, startsInReasoning: inReasoning, mayThink }
    const rule = rules.make(wish, { ...free, ...reasoning, toolFormat: format })
    return { ids: joined(parts), startsInReasoning: inReasoning, rule }
  }

  /** An empty thought, where the request wants none and the template has not written one; otherwise null. */
  function silence(options: Readonly<Record<string, unknown>>, text: string, isOpen: boolean): string | null {
    if (markers === null || markers.channels || thinkingOf(options) !== false) return null
    if (isOpen) return `\n${markers.close}\n\n`
    return text.trimEnd().endsWith(markers.close) || templates.includes("thinking")
      ? null
      : `${markers.open}\n\n${markers.close}\n\n`
  }

  const filling = fillIn((text) => tokenizer.encode(text, false, true).length === 1)

  /** A raw prompt is the caller's own: its control tokens count. */
  function encodeText(prompt: string, bare: boolean, suffix: string | undefined): Int32Array {
    if (suffix !== undefined && filling === null)
      throw new EngineError("invalid_request", "This model has no tokens for filling in: leave suffix out.", {
        param: "suffix",
      })
    const text = suffix === undefined || filling === null ? prompt : filling.prompt(prompt, suffix)
    const hasBos = bosText !== null && bosText !== "" && text.startsWith(bosText)
    return tokenizer.encode(text, !hasBos && !bare, true)
  }

  function checkIds(ids: readonly number[]): Int32Array {
    const wrong = ids.find((id) => !Number.isSafeInteger(id) || id < 0 || id >= tokenizer.vocabularySize)
    if (wrong !== undefined)
      throw new EngineError(
        "invalid_request",
        `There is no token ${wrong}: the vocabulary has ${tokenizer.vocabularySize}.`,
        {
          param: "prompt",
        },
      )
    return Int32Array.from(ids)
  }

  return {
    encode(prompt, wish = NO_WISH) {
      if (prompt.kind === "chat") return encodeChat(prompt, wish)
      const ids =
        prompt.kind === "text" ? encodeText(prompt.text, prompt.bare ?? false, prompt.suffix) : checkIds(prompt.ids)
      return { ids, startsInReasoning: false, rule: rules.make(wish, free) }
    },
    facts() {
      // On channels a thought ends with its marker, the turn goes on.
      const notEnd = markers?.channels ? markers.close : null
      const ends = END_OF_TURN.flatMap((text) =>
        text !== notEnd && templates.includes(text) ? [controls.get(text)] : [],
      )
      const lineBreak = [...tokenizer.encode("\n", false, true)]
      return {
        lineBreakIds: lineBreak.length === 1 ? lineBreak : [],
        tokens: tokenTextSource(tokenizer, controls, visibleTexts(markers, format)),
        vocabularySize: tokenizer.vocabularySize,
        reasoning: markers,
        endOfThoughtIds: markers === null ? [] : [...tokenizer.encode(endOfThought(markers), false, true)],
        toolFormat: format?.name ?? null,
        eosIds: [...new Set([...source.eosIds, ...ends])].filter((id) => id !== undefined),
        fillsIn: filling !== null,
        hasChatTemplate: source.chatTemplates["default"] !== undefined,
      }
    },
  }
}

/** Control tokens that the parsers of an answer must see. */
function visibleTexts(markers: ReasoningMarkers | null, format: ToolCallFormat | null): ReadonlySet<string> {
  return new Set([
    ...(markers === null ? [] : [markers.open, markers.close]),
    ...(format === null ? [] : [...format.starts, ...format.ends, ...(format.markers ?? [])]),
  ])
}

/** The table of token bytes, in which control tokens have a text only if they are visible. */
function tokenTextSource(
  tokenizer: TextTokenizer,
  controls: ReadonlyMap<string, number>,
  visible: ReadonlySet<string>,
): TokenTextSource {
  const table = tokenizer.tokenTable()
  // A marker may be a control token with other text: <|channel>thought.
  const isVisible = (text: string): boolean => text !== "" && [...visible].some((marker) => marker.includes(text))
  const own = new Map([...controls].map(([text, id]) => [id, isVisible(text) ? Buffer.from(text) : Buffer.alloc(0)]))
  const size = table.offsets.length - 1
  const offsets = new Int32Array(size + 1)
  const parts: Uint8Array[] = []
  for (let id = 0; id < size; id++) {
    const part = own.get(id) ?? table.bytes.subarray(table.offsets[id], table.offsets[id + 1])
    parts.push(part)
    offsets[id + 1] = (offsets[id] ?? 0) + part.length
  }
  // Not Buffer.concat's pool: the array is transferred to another thread.
  const bytes = new Uint8Array(offsets[size] ?? 0)
  parts.forEach((part, id) => bytes.set(part, offsets[id]))
  return { bytes, offsets, stripsLeadingSpace: stripsLeadingSpace(tokenizer) }
}

/** SentencePiece decoders drop the space of a first token; byte-level ones keep it. Found by trying. */
function stripsLeadingSpace(tokenizer: TextTokenizer): boolean {
  for (const id of tokenizer.encode("a a", false, false))
    if (tokenizer.tokenBytes(id)[0] === 0x20) return !tokenizer.decode(Int32Array.of(id), false).startsWith(" ")
  return false
}

function joined(parts: readonly Int32Array[]): Int32Array {
  const [only] = parts
  if (parts.length === 1 && only !== undefined) return only
  const ids = new Int32Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    ids.set(part, at)
    at += part.length
  }
  return ids
}
