// Prompts that ask for what stands between two texts, in the formats that code models were trained on. Knows no tokenizer.

interface FillInFormat {
  readonly prefix: string
  readonly suffix: string
  /** After which the model writes; "" where the prefix comes last. */
  readonly middle: string
}

/** The first whose marks are all tokens of the model is meant. */
const FORMATS: readonly FillInFormat[] = [
  // Qwen coders, CodeGemma, StableCode
  { prefix: "<|fim_prefix|>", suffix: "<|fim_suffix|>", middle: "<|fim_middle|>" },
  // StarCoder, Granite, SmolLM's code models
  { prefix: "<fim_prefix>", suffix: "<fim_suffix>", middle: "<fim_middle>" },
  // DeepSeek: the hole stands where the text is to be, the end after all
  { prefix: "<｜fim▁begin｜>", suffix: "<｜fim▁hole｜>", middle: "<｜fim▁end｜>" },
  // GLM
  { prefix: "<|code_prefix|>", suffix: "<|code_suffix|>", middle: "<|code_middle|>" },
  // Codestral
  { prefix: "[PREFIX]", suffix: "[SUFFIX]", middle: "" },
]

export interface FillIn {
  prompt(before: string, after: string): string
}

/** null: the model has no such tokens. */
export function fillIn(isToken: (text: string) => boolean): FillIn | null {
  const format = FORMATS.find((marks) =>
    [marks.prefix, marks.suffix, marks.middle].every((mark) => mark === "" || isToken(mark)),
  )
  if (format === undefined) return null
  const { prefix, suffix, middle } = format
  return {
    prompt: (before, after) =>
      middle === "" ? `${suffix}${after}${prefix}${before}` : `${prefix}${before}${suffix}${after}${middle}`,
  }
}
