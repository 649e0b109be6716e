// The parts of an answer, thought and content, as the splitters give them. Knows no family of models.

export interface Passage {
  readonly channel: "reasoning" | "content"
  readonly text: string
  /** Where it begins in the whole text. Passages ascend; markers and trimmed space lie between them. */
  readonly at: number
}

export interface ReasoningSplitter {
  /** What comes next is thought, unless it is a marker. */
  readonly thinking: boolean
  push(text: string): readonly Passage[]
  flush(): readonly Passage[]
}

export interface PassageOptions {
  readonly startsInReasoning: boolean
  /** Texts that end the reasoning without its marker, and belong to the content: beginnings of tool calls. */
  readonly interruptions: readonly string[]
}
