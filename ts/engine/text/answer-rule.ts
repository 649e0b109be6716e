// What the answer to a request must look like: from the wishes of the request and the ways of the model to a rule, which
// the token half compiles and follows (crates/mlx-jaccl-rs/src/grammar/rule.rs). Knows no tokens but control tokens' ids.

import type { AnswerFormat, ToolChoice, ToolDefinition } from "../generation.ts"
import type { ReasoningMarkers } from "./reasoning.ts"
import { type CallGrammar, callLiteral, type ToolCallFormat } from "./tool-calls/index.ts"

/** The part of a request that constrains its answer. */
export interface AnswerWish {
  readonly format: AnswerFormat | null
  readonly tools: readonly ToolDefinition[]
  readonly toolChoice: ToolChoice
  /** An answer may hold several calls. */
  readonly parallelCalls: boolean
}

/** Any answer. */
export const NO_WISH: AnswerWish = { format: null, tools: [], toolChoice: "auto", parallelCalls: true }

/** One grammar of a rule; others name it with @name. */
export type RulePart =
  | { readonly name: string; readonly lark: string }
  | { readonly name: string; readonly regex: string }
  | { readonly name: string; readonly schema: object }

export interface Rule {
  readonly grammars: readonly RulePart[]
  readonly thought: { readonly open: string; readonly close: string; readonly inside: boolean } | null
  readonly triggers: readonly string[]
  readonly bareTrigger: string | null
  readonly isWhole: boolean
}

export interface RuleSource {
  readonly reasoning: ReasoningMarkers | null
  readonly startsInReasoning: boolean
  /** The answer may begin with a thought. */
  readonly mayThink: boolean
  readonly toolFormat: ToolCallFormat | null
  readonly template: string
  /** Ids of control tokens by their texts. */
  readonly controls: ReadonlyMap<string, number>
}

/** Space between the parts of JSON: a line break and any usual indentation, and no more. */
const JSON_SPACE = String.raw` {1,2}|\r?\n[ \t]{0,40}`

/** Options of llguidance in a schema (x-guidance). Lenient: what it cannot enforce is passed over. */
export function schemaPart(name: string, schema: unknown, isStrict: boolean): RulePart {
  const options = { whitespace_pattern: JSON_SPACE, ...(!isStrict && { lenient: true, coerce_one_of: true }) }
  const own = typeof schema === "object" && schema !== null ? schema : schema === false ? { not: {} } : {}
  return { name, schema: { ...own, "x-guidance": options } }
}

/** A part for the answer's own format. */
function formatPart(format: AnswerFormat): RulePart {
  if (format.kind === "json") return schemaPart("answer", format.schema, format.strict)
  if (format.kind === "regex") return { name: "answer", regex: format.pattern }
  if (format.kind === "lark") return { name: "answer", lark: format.grammar }
  return { name: "answer", lark: `start: ${format.choices.map((choice) => JSON.stringify(choice)).join(" | ")}` }
}

/** Null: the answer is free. `calls`: grammar of the calls that may or must come, where the wish needs one. */
export function answerRule(wish: AnswerWish, source: RuleSource, calls: CallGrammar | null): Rule | null {
  const { format, toolChoice } = wish
  const own = format === null ? null : formatPart(format)
  const mustCall = toolChoice !== "auto"
  if (own === null && calls === null) return null
  const { reasoning, toolFormat } = source
  const begins = calls === null ? [] : (toolFormat?.starts ?? [])
  const slots = (calls?.schemas ?? []).map(({ name, schema, isStrict }) => schemaPart(name, schema, isStrict))
  if (own === null && !mustCall && calls !== null) {
    return {
      grammars: [{ name: "main", lark: `start: calls\n${calls.lark}` }, ...slots],
      thought: null,
      triggers: begins,
      bareTrigger: toolFormat?.bareStart ?? null,
      isWhole: false,
    }
  }
  const wanted = [...(calls === null ? [] : ["calls"]), ...(own === null || mustCall ? [] : ["answer"])]
  const final = reasoning?.channels === true ? `${callLiteral("<|channel|>final<|message|>", source.controls)} ` : ""
  // On channels a message after a thought has its own beginning.
  const lead = reasoning?.channels === true ? `(${callLiteral("<|start|>assistant", source.controls)})? ` : ""
  const main = [
    `start: ${lead}(${wanted.join(" | ")})`,
    ...(wanted.includes("answer") ? [`answer: ${final}@answer`] : []),
    ...(calls === null ? [] : [calls.lark]),
  ]
  const isPlain = calls === null && lead === "" && own !== null
  return {
    grammars: isPlain
      ? [own]
      : [
          { name: "main", lark: main.join("\n") },
          ...slots,
          ...(wanted.includes("answer") && own !== null ? [own] : []),
        ],
    thought:
      reasoning === null || !source.mayThink
        ? null
        : { open: reasoning.open, close: reasoning.close, inside: source.startsInReasoning },
    triggers: begins,
    bareTrigger: null,
    isWhole: true,
  }
}
