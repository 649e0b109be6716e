// The rule for a request's answer, checked: bounds first, then whether it compiles, and if not, what is at fault. Runs in
// the text pool. Knows no thread.

import { EngineError } from "../errors.ts"
import type { AnswerFormat, ToolDefinition } from "../generation.ts"
import { answerRule, type AnswerWish, type RuleSource, schemaPart } from "./answer-rule.ts"
import { checkSchemaBounds, offendingPath } from "./schema-check.ts"
import { type CallGrammar, callGrammar, type GrammarTool } from "./tool-calls/index.ts"

/** What is wrong with a rule (checkGrammar of the crate), or null. */
export type CheckRule = (rule: string) => string | null

export interface RuleMaker {
  /** JSON of the rule; null: the answer is free. Throws EngineError invalid_request that names the field. */
  make(wish: AnswerWish, source: RuleSource): string | null
}

/** Rules and schemas that were found good. */
const KNOWN = 256
/** Characters of a regex, a choice or a grammar. */
const MOST_CHARACTERS = 64 * 1024
const MOST_CHOICES = 1024

export function createRuleMaker(check: CheckRule): RuleMaker {
  const known = new Map<string, string | null>()

  function checked(rule: string): string | null {
    const before = known.get(rule)
    if (before !== undefined) return before
    const found = check(rule)
    known.set(rule, found)
    for (const key of known.keys()) if (known.size > KNOWN) known.delete(key)
    return found
  }

  function schemaFault(schema: object, isStrict: boolean): string | null {
    return checked(JSON.stringify({ grammars: [schemaPart("answer", schema, isStrict)], isWhole: true }))
  }

  function refuse(param: string, message: string): never {
    throw new EngineError("invalid_request", message, { param })
  }

  /** Throws with the path of the keyword at fault. */
  function checkSchema(schema: unknown, isStrict: boolean, param: string): void {
    checkSchemaBounds(schema, param)
    const own = Object(schema)
    const fault = schemaFault(own, isStrict)
    if (fault === null) return
    const path = offendingPath(own, (part) => schemaFault(part, isStrict) === null)
    const at = path === "" ? param : `${param}.${path}`
    refuse(at, `The schema cannot be compiled: '${at}': ${fault}.`)
  }

  function checkFormat(format: AnswerFormat): void {
    const tooLong = (text: string): boolean => text.length > MOST_CHARACTERS
    const { param } = format
    if (format.kind === "json") return checkSchema(format.schema, format.strict, param)
    const texts =
      format.kind === "choice" ? format.choices : [format.kind === "regex" ? format.pattern : format.grammar]
    if (texts.length === 0 || texts.length > MOST_CHOICES || texts.includes(""))
      refuse(param, `'${param}' must hold 1 to ${MOST_CHOICES} texts.`)
    if (tooLong(texts.join(""))) refuse(param, `'${param}' is longer than ${MOST_CHARACTERS} characters.`)
  }

  function grammarTool({ name, parameters, strict }: ToolDefinition, index: number): GrammarTool {
    const param = `tools.${index}.function.parameters`
    const schema = { type: "object", ...Object(parameters ?? { properties: {} }) }
    if (strict === true) {
      checkSchema(schema, true, param)
      return { name, schema, isStrict: true, param }
    }
    // What cannot be enforced does not keep a tool from being called.
    try {
      checkSchemaBounds(schema, param)
      if (schemaFault(schema, false) === null) return { name, schema, isStrict: false, param }
    } catch (error) {
      if (!(error instanceof EngineError)) throw error
    }
    return { name, schema: { type: "object" }, isStrict: false, param }
  }

  function callsOf(wish: AnswerWish, source: RuleSource): CallGrammar | null {
    const { toolChoice, tools, format } = wish
    const strict = tools.findIndex((tool) => tool.strict === true)
    const isForced = toolChoice !== "auto"
    if (!isForced && strict < 0 && (format === null || tools.length === 0)) return null
    const { toolFormat } = source
    if (toolFormat === null) {
      if (isForced) refuse("tool_choice", "This model's chat template knows no tool calls: none can be forced.")
      return null
    }
    const wanted = tools.flatMap((tool, index) =>
      typeof toolChoice === "object" && tool.name !== toolChoice.name ? [] : [grammarTool(tool, index)],
    )
    if (wanted.length === 0)
      refuse(
        "tool_choice",
        typeof toolChoice === "object" ? `There is no tool '${toolChoice.name}'.` : "There are no tools.",
      )
    const several = wish.parallelCalls && typeof toolChoice !== "object"
    const { controls, template } = source
    const calls = callGrammar(toolFormat, { tools: wanted, several, controls, template })
    if (calls === null) {
      const param = isForced ? "tool_choice" : strict < 0 ? "response_format" : `tools.${strict}.function.strict`
      refuse(param, `Calls in this model's format (${toolFormat.name}) cannot be enforced: '${param}'.`)
    }
    return calls
  }

  return {
    make(wish, source) {
      const { format } = wish
      if (format !== null && wish.toolChoice === "auto") checkFormat(format)
      const calls = callsOf(wish, source)
      const rule = answerRule(wish, source, calls)
      if (rule === null) return null
      const text = JSON.stringify(rule)
      const fault = checked(text)
      if (fault === null) return text
      const param = format !== null && wish.toolChoice === "auto" ? format.param : "tools"
      return refuse(param, `'${param}' cannot be compiled: ${fault}.`)
    },
  }
}
