import t, { type Test } from "tap"
import { createReasoningSplitter, endOfThought, reasoningMarkers, type SplitterOptions } from "./reasoning.ts"

const MARKERS = reasoningMarkers("<|start|>assistant<|channel|>final<|message|>")
const CALLS = ["<|channel|>commentary to=functions."]

interface Split {
  reasoning: string
  content: string
}

function split(text: string, size: number, options: Partial<SplitterOptions>): Split {
  const splitter = createReasoningSplitter({
    markers: MARKERS,
    startsInReasoning: false,
    interruptions: [],
    ...options,
  })
  const out = { reasoning: "", content: "" }
  const take = (passages: ReturnType<typeof splitter.push>): void => {
    for (const { channel, text: piece, at } of passages) {
      if (text.slice(at, at + piece.length) !== piece) throw new Error(`"${piece}" is not at ${at}`)
      out[channel] += piece
    }
  }
  for (let at = 0; at < text.length; at += size) take(splitter.push(text.slice(at, at + size)))
  take(splitter.flush())
  return out
}

function same(t: Test, text: string, wanted: Split, options: Partial<SplitterOptions> = {}): void {
  for (const size of [1, 2, 3, 5, 8, 13, 1000]) t.same(split(text, size, options), wanted, `pieces of ${size}`)
}

const THOUGHT = "<|channel|>analysis<|message|>A < b, so.<|end|>"

t.test("the analysis channel is reasoning, the final one content", async (t) => {
  same(t, `${THOUGHT}<|start|>assistant<|channel|>final<|message|>Hi <|x|>\n`, {
    reasoning: "A < b, so.",
    content: "Hi <|x|>\n",
  })
  same(t, `${THOUGHT}<|start|>assistant<|channel|>commentary<|message|>I look.<|end|>`, {
    reasoning: "A < b, so.",
    content: "I look.",
  })
})

t.test("a prompt that ends in an open thought", async (t) => {
  same(
    t,
    "on<|end|><|start|>assistant<|channel|>final<|message|>Yes",
    { reasoning: "on", content: "Yes" },
    { startsInReasoning: true },
  )
})

t.test("an answer without headers is content, a cut header nothing", async (t) => {
  same(t, "assist me, too", { reasoning: "", content: "assist me, too" })
  same(t, " {}", { reasoning: "", content: " {}" })
  same(t, "to=", { reasoning: "", content: "to=" })
  same(t, `${THOUGHT}<|start|>assistant<|channel|>fin`, { reasoning: "A < b, so.", content: "" })
  same(t, "<|channel|>analysis<|message|>hm <|en", { reasoning: "hm <|en", content: "" })
})

t.test("a call passes with its header if calls are read, and as its text if not", async (t) => {
  const call = '<|channel|>commentary to=functions.f <|constrain|>json<|message|>{"a": 1}'
  same(
    t,
    `${THOUGHT}<|start|>assistant${call}<|call|>`,
    { reasoning: "A < b, so.", content: `${call}<|call|>` },
    { interruptions: CALLS },
  )
  const first = ' to=functions.f<|channel|>commentary json<|message|>{"a": 1}'
  same(t, `<|start|>assistant${first}`, { reasoning: "", content: first }, { interruptions: CALLS })
  same(t, call, { reasoning: "", content: '{"a": 1}' })
  same(
    t,
    "<|channel|>analysis to=python <|message|>1 + 1",
    { reasoning: "1 + 1", content: "" },
    { interruptions: CALLS },
  )
})

t.test("a thought that is ended by force leads to the answer, and the splitter knows when it thinks", async (t) => {
  const end = MARKERS === null ? "" : endOfThought(MARKERS)
  const cut = `<|channel|>analysis<|message|>A < b${end}`
  same(t, `${cut}Yes`, { reasoning: "A < b", content: "Yes" })
  const splitter = createReasoningSplitter({ markers: MARKERS, startsInReasoning: false, interruptions: [] })
  const thinking = ["<|channel|>analysis", "<|message|>", "A", end, "Yes"].map((text) => {
    splitter.push(text)
    return splitter.thinking
  })
  t.same(thinking, [false, true, true, false, false])
})
