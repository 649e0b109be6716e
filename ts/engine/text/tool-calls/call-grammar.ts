// The grammar of the calls of an answer, in llguidance's Lark: how each format writes them, with the tools' schemas for
// their arguments. Knows no thoughts and no other content. Spacing is that of the chat templates.

import { callLiteral } from "./call-literal.ts"
import type { ToolCallFormat } from "./format.ts"
import { type LiteralFrame, literalCalls } from "./literal-grammar.ts"
import { type TaggedSyntax, taggedCalls } from "./tagged-grammar.ts"

export interface GrammarTool {
  readonly name: string
  /** JSON Schema of the arguments. */
  readonly schema: object
  readonly isStrict: boolean
  /** Where the schema stands in the request. */
  readonly param: string
}

/** A schema that the grammar names as @name. */
export interface SchemaSlot {
  readonly name: string
  readonly schema: object
  readonly isStrict: boolean
}

export interface CallGrammar {
  /** Rules, of which `calls` is the whole of what may come. */
  readonly lark: string
  readonly schemas: readonly SchemaSlot[]
}

export interface CallGrammarOptions {
  readonly tools: readonly GrammarTool[]
  /** Several calls may come, one after the other. */
  readonly several: boolean
  /** Ids of control tokens by their texts. */
  readonly controls: ReadonlyMap<string, number>
  /** All chat templates of the model: formats have variants. */
  readonly template: string
}

/** A text around the calls, around each call and between two of them. */
interface Frame {
  readonly begin: string
  /** Before a call's arguments. */
  readonly head: (name: string) => readonly (string | { readonly pattern: string })[]
  /** After them. */
  readonly tail: string
  readonly between: string
  readonly end: string
}

const quoted = (name: string): string => JSON.stringify(name)
const object = (name: string, key: string): string => `{"name": ${quoted(name)}, "${key}": `

const list = (begin: string, end: string, key = "arguments"): Frame => ({
  begin: `${begin}[`,
  head: (name) => [object(name, key)],
  tail: "}",
  between: ", ",
  end: `]${end}`,
})

/** Formats whose arguments are JSON. */
const FRAMES: Readonly<Record<string, (template: string) => Frame>> = {
  hermes: () => ({
    begin: "<tool_call>\n",
    head: (name) => [object(name, "arguments")],
    tail: "}",
    between: "\n</tool_call>\n<tool_call>\n",
    end: "\n</tool_call>",
  }),
  llama: (template) => ({
    begin: template.includes("<|python_tag|>") ? "<|python_tag|>" : "",
    head: (name) => [object(name, "parameters")],
    tail: "}",
    between: "; ",
    end: "",
  }),
  mistral: (template) =>
    template.includes("[ARGS]")
      ? { begin: "[TOOL_CALLS]", head: (name) => [`${name}[ARGS]`], tail: "", between: "[TOOL_CALLS]", end: "" }
      : list(/\[TOOL_CALLS\] \[/.test(template) ? "[TOOL_CALLS] " : "[TOOL_CALLS]", ""),
  deepseek: (template) => {
    const [begin, end] = ["<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"]
    const fenced = template.includes("```json")
    return fenced
      ? {
          begin,
          head: (name) => [`<｜tool▁call▁begin｜>function<｜tool▁sep｜>${name}\n\`\`\`json\n`],
          tail: "\n```<｜tool▁call▁end｜>",
          between: "\n",
          end,
        }
      : {
          begin,
          head: (name) => [`<｜tool▁call▁begin｜>${name}<｜tool▁sep｜>`],
          tail: "<｜tool▁call▁end｜>",
          between: "",
          end,
        }
  },
  kimi: () => ({
    begin: "<|tool_calls_section_begin|>",
    head: (name) => [
      `<|tool_call_begin|>functions.${name}:`,
      { pattern: "[0-9]{1,3}" },
      "<|tool_call_argument_begin|>",
    ],
    tail: "<|tool_call_end|>",
    between: "",
    end: "<|tool_calls_section_end|>",
  }),
  cohere: (template) => ({
    ...(template.includes("<|START_ACTION|>")
      ? { begin: "<|START_ACTION|>[\n    ", end: "\n]<|END_ACTION|>" }
      : { begin: "Action: ```json\n[\n    ", end: "\n]\n```" }),
    head: (name) =>
      template.includes("<|START_ACTION|>")
        ? ['{"tool_call_id": "', { pattern: "[0-9]{1,3}" }, `", "tool_name": ${quoted(name)}, "parameters": `]
        : [`{"tool_name": ${quoted(name)}, "parameters": `],
    tail: "}",
    between: ",\n    ",
  }),
  phi4: (template) =>
    template.includes("functools[") ? list("functools", "") : list("<|tool_call|>", "<|/tool_call|>"),
  granite: () => list("<|tool_call|>", ""),
  // Its calls end the turn: there is one.
  harmony: () => ({
    begin: "",
    head: (name) => [{ pattern: "" }, `<|channel|>commentary to=functions.${name} <|constrain|>json<|message|>`],
    tail: "",
    between: "",
    end: "",
  }),
}

function pythonic(begin: string, end: string): TaggedSyntax {
  return {
    begin,
    head: (name) => `${name}(`,
    open: (parameter) => `${parameter}=`,
    close: ", ",
    tail: ")",
    between: ", ",
    end,
    isJson: true,
  }
}

const TAGGED: Readonly<Record<string, TaggedSyntax>> = {
  qwen3_coder: {
    begin: "",
    head: (name) => `<tool_call>\n<function=${name}>\n`,
    open: (parameter) => `<parameter=${parameter}>\n`,
    close: "\n</parameter>\n",
    tail: "</function>\n</tool_call>",
    between: "\n",
    end: "",
  },
  glm: {
    begin: "",
    head: (name) => `<tool_call>${name}\n`,
    open: (parameter) => `<arg_key>${parameter}</arg_key>\n<arg_value>`,
    close: "</arg_value>\n",
    tail: "</tool_call>",
    between: "\n",
    end: "",
  },
  minimax: {
    begin: "<minimax:tool_call>\n",
    head: (name) => `<invoke name="${name}">\n`,
    open: (parameter) => `<parameter name="${parameter}">`,
    close: "</parameter>\n",
    tail: "</invoke>\n",
    between: "",
    end: "</minimax:tool_call>",
  },
  longcat: {
    begin: "",
    head: (name) => `<longcat_tool_call>${name}\n`,
    open: (parameter) => `<longcat_arg_key>${parameter}</longcat_arg_key>\n<longcat_arg_value>`,
    close: "</longcat_arg_value>\n",
    tail: "</longcat_tool_call>",
    between: "\n",
    end: "",
  },
  // A comma may stand before the closing bracket; JSON's words are read beside Python's.
  lfm2: pythonic("<|tool_call_start|>[", "]<|tool_call_end|>"),
  llama_pythonic: pythonic("[", "]"),
  deepseek_dsml: {
    begin: "<｜DSML｜function_calls>\n",
    head: (name) => `<｜DSML｜invoke name="${name}">\n`,
    open: (parameter, isText) => `<｜DSML｜parameter name="${parameter}" string="${isText}">`,
    close: "</｜DSML｜parameter>\n",
    tail: "</｜DSML｜invoke>\n",
    between: "",
    end: "</｜DSML｜function_calls>",
  },
}

const LITERAL: Readonly<Record<string, LiteralFrame>> = {
  gemma4: { begin: "<|tool_call>", end: "<tool_call|>", quote: '<|"|>' },
  function_gemma: { begin: "<start_function_call>", end: "<end_function_call>", quote: "<escape>" },
}

/**
 * Null: calls of this format cannot be enforced. Throws EngineError invalid_request where a strict tool asks for what the
 * format's grammar cannot hold.
 */
export function callGrammar(format: ToolCallFormat, options: CallGrammarOptions): CallGrammar | null {
  const frame = FRAMES[format.name]?.(options.template)
  if (frame !== undefined)
    return framedCalls(frame, format.name === "harmony" ? { ...options, several: false } : options)
  const literal = LITERAL[format.name]
  if (literal !== undefined) return literalCalls(literal, options)
  const syntax = TAGGED[format.name]
  return syntax === undefined ? null : taggedCalls(syntax, options)
}

function framedCalls(frame: Frame, { tools, several, controls }: CallGrammarOptions): CallGrammar {
  const text = (parts: readonly (string | { readonly pattern: string })[]): string =>
    parts
      .map((part) => (typeof part === "string" ? callLiteral(part, controls) : part.pattern && `/${part.pattern}/`))
      .filter((part) => part !== "")
      .join(" ")
  const calls = tools.map(({ name }, i) => `call_${i}: ${text([...frame.head(name)])} @args_${i} ${text([frame.tail])}`)
  const more = several && frame.between !== "" ? ` (${text([frame.between])} call)*` : several ? " call*" : ""
  return {
    lark: [
      `calls: ${text([frame.begin])} call${more} ${text([frame.end])}`,
      `call: ${tools.map((_, i) => `call_${i}`).join(" | ")}`,
      ...calls,
    ].join("\n"),
    schemas: tools.map(({ schema, isStrict }, i) => ({ name: `args_${i}`, schema, isStrict })),
  }
}
