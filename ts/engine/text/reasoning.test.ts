import t, { type Test } from "tap"
import {
  createReasoningSplitter,
  endOfThought,
  endsInReasoning,
  reasoningMarkers,
  type SplitterOptions,
} from "./reasoning.ts"

const THINK = { open: "<think>", close: "</think>" }

/** Joined channels, for pieces of one length; checks that positions are true. */
function split(
  text: string,
  size: number,
  options: Partial<SplitterOptions> = {},
): { reasoning: string; content: string } {
  const splitter = createReasoningSplitter({ markers: THINK, startsInReasoning: false, interruptions: [], ...options })
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

function same(
  t: Test,
  text: string,
  wanted: { reasoning: string; content: string },
  options?: Partial<SplitterOptions>,
) {
  for (const size of [1, 2, 3, 5, 8, 1000]) t.same(split(text, size, options), wanted, `pieces of ${size}`)
}

t.test("thought and answer are told apart, without markers and the space around them", async (t) => {
  same(t, "<think>\nA thought,\n\nlong.\n</think>\n\n Hi <think>", {
    reasoning: "A thought,\n\nlong.",
    content: "Hi <think>",
  })
})

t.test("an answer that begins inside a thought", async (t) => {
  same(t, "\nsum </thin k</think>\n42", { reasoning: "sum </thin k", content: "42" }, { startsInReasoning: true })
})

t.test("a thought that never ends", async (t) => {
  same(t, "<think> on and on </th", { reasoning: "on and on </th", content: "" })
})

t.test("without a thought all passes untouched, also what looked like a marker", async (t) => {
  same(t, " \n<thin air>  ", { reasoning: "", content: " \n<thin air>  " })
  same(t, "<th", { reasoning: "", content: "<th" })
  same(t, "a </think> b", { reasoning: "", content: "a </think> b" })
})

t.test("an empty thought", async (t) => {
  same(t, "<think>\n\n</think>\n\nHi", { reasoning: "", content: "Hi" })
})

t.test("a tool call ends a thought that was not closed", async (t) => {
  same(
    t,
    "<think>\nI call.\n<tool_call>x",
    { reasoning: "I call.", content: "<tool_call>x" },
    { interruptions: ["<tool_call>"] },
  )
})

t.test("without markers nothing is a thought", async (t) => {
  same(t, "<think>a</think>", { reasoning: "", content: "<think>a</think>" }, { markers: null })
})

t.test("the template names the markers, the prompt says whether they are open", async (t) => {
  t.same(reasoningMarkers("{{ '<think>' }}"), THINK)
  t.same(reasoningMarkers("x [/THINK]"), { open: "[THINK]", close: "[/THINK]" })
  t.equal(reasoningMarkers("{{ content }}"), null)
  t.equal(endsInReasoning(THINK, "user <think> assistant\n<think>\n", false), true)
  t.equal(endsInReasoning(THINK, "user says <think>, assistant\n", false), false)
  t.equal(endsInReasoning(THINK, "<think>\nhm", true), true)
  t.equal(endsInReasoning(THINK, "<think>\nhm</think> So", true), false)
})

t.test("a thought that is ended by force leads to the answer", async (t) => {
  same(t, `<think>A < b${endOfThought(THINK)}Yes`, { reasoning: "A < b", content: "Yes" })
  same(t, `A < b${endOfThought(THINK)}Yes`, { reasoning: "A < b", content: "Yes" }, { startsInReasoning: true })
})
