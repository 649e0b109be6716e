// The fields that constrain an answer -> the engine's terms. Knows no route.

import type { AnswerFormat, GenerationRequest, ToolChoice } from "../engine/index.ts"
import { HttpError } from "./error-response.ts"
import type { AnswerFormatFields } from "./schemas/answer-format.ts"
import type { ChatCompletionRequest } from "./schemas/chat-completion.ts"

type Asked = Pick<GenerationRequest, "answerFormat" | "toolChoice" | "parallelCalls">

const ANY_OBJECT = { type: "object" }

/** Of both routes. Throws invalid_value where two fields ask. */
export function answerFormatOf(fields: AnswerFormatFields): Pick<Asked, "answerFormat"> {
  const [first, second] = [...asked(fields)]
  if (first === undefined) return {}
  if (second === undefined) return { answerFormat: first }
  const [one, other] = [first.param, second.param].map((param) => param.split(".")[0])
  throw new HttpError("invalid_value", `'${other}' cannot be asked for beside '${one}'.`, { param: other })
}

export function toolWishOf({ tool_choice: choice, parallel_tool_calls: parallel }: ChatCompletionRequest): Asked {
  const named = typeof choice === "object" && choice !== null ? choice.function.name : null
  const toolChoice: ToolChoice = named !== null ? { name: named } : choice === "required" ? "required" : "auto"
  return {
    ...(toolChoice !== "auto" && { toolChoice }),
    ...(parallel === false && { parallelCalls: false }),
  }
}

function* asked(fields: AnswerFormatFields): Generator<AnswerFormat> {
  const format = fields.response_format
  if (format?.type === "json_object") yield json(format.schema ?? ANY_OBJECT, "response_format.schema")
  if (format?.type === "json_schema") {
    const { schema, strict } = format.json_schema ?? {}
    const param = "response_format.json_schema.schema"
    const found = schema ?? format.schema
    if (!found) throw new HttpError("missing_required_parameter", `'${param}' is missing.`, { param })
    yield json(found, param, strict ?? false)
  }
  if (fields.json_schema) yield json(fields.json_schema, "json_schema")
  yield* alternatives("", fields)
  if (fields.guided_json) yield json(parsed(fields.guided_json, "guided_json"), "guided_json")
  const { guided_regex: regex, guided_choice: choice, guided_grammar: grammar } = fields
  yield* alternatives("guided_", { regex: regex ?? null, choice: choice ?? null, grammar: grammar ?? null })
  const all = fields.structured_outputs
  if (!all) return
  if (all.json) yield json(parsed(all.json, "structured_outputs.json"), "structured_outputs.json")
  if (all.json_object) yield json(ANY_OBJECT, "structured_outputs.json_object")
  yield* alternatives("structured_outputs.", all)
}

function* alternatives(
  prefix: string,
  { regex, choice, grammar }: Pick<AnswerFormatFields, "regex" | "choice" | "grammar">,
): Generator<AnswerFormat> {
  if (regex) yield { kind: "regex", pattern: regex, param: `${prefix}regex` }
  if (choice) yield { kind: "choice", choices: choice, param: `${prefix}choice` }
  if (grammar) yield { kind: "lark", grammar, param: `${prefix}grammar` }
}

function json(schema: unknown, param: string, strict = false): AnswerFormat {
  return { kind: "json", schema, strict, param }
}

/** vLLM takes the schema as its JSON text, too. */
function parsed(schema: object | string, param: string): unknown {
  if (typeof schema !== "string") return schema
  try {
    return JSON.parse(schema)
  } catch (cause) {
    throw new HttpError("invalid_value", `'${param}' is not JSON.`, { param, cause })
  }
}
