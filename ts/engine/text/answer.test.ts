import t from "tap"
import type { GenerationEvent } from "../generation.ts"
import { type AnswerOptions, createAnswer } from "./answer.ts"
import { reasoningMarkers } from "./reasoning.ts"
import { tokenText } from "./token-text-fixture.ts"
import { toolCallFormatByName } from "./tool-calls/index.ts"

const THINK = { open: "<think>", close: "</think>" }
const HERMES = toolCallFormatByName("hermes")

function answerOf(pieces: readonly (string | readonly number[])[], options: Partial<AnswerOptions> = {}) {
  return createAnswer({
    choice: 0,
    tokens: tokenText(pieces),
    stop: [],
    keepLeadingSpace: false,
    reasoning: null,
    startsInReasoning: false,
    toolFormat: null,
    tools: [],
    ...options,
  })
}

function run(pieces: readonly (string | readonly number[])[], options: Partial<AnswerOptions>, batch: number) {
  const answer = answerOf(pieces, options)
  const events: GenerationEvent[] = []
  pieces.forEach((_, id) => {
    answer.push(id, { logprob: -id, top: [] })
    if ((id + 1) % batch === 0) events.push(...answer.take())
  })
  answer.finish("stop")
  events.push(...answer.take())
  return { answer, events }
}

const textOf = (events: readonly GenerationEvent[]): string =>
  events.flatMap((event) => (event.type === "text" ? [event.text] : [])).join("")
const bytesOf = (events: readonly GenerationEvent[]): string =>
  Buffer.concat(
    events.flatMap((event) => (event.type === "text" ? (event.logprobs ?? []).map((one) => one.bytes) : [])),
  ).toString()

t.test("the tokens of a batch make one event", async (t) => {
  const answer = answerOf(["Hello", ",", " world"])
  for (const id of [0, 1, 2]) answer.push(id, null)
  t.same(answer.take(), [{ type: "text", choice: 0, text: "Hello, world", tokens: 3 }])
  answer.finish("length")
  t.same(answer.take(), [{ type: "finished", choice: 0, reason: "length" }])
  t.same(answer.take(), [])
})

t.test("a stop string over token borders cuts the text before it and ends the answer", async (t) => {
  const pieces = ["one", " E", "N", "D of", " all"]
  const answer = answerOf(pieces, { stop: ["END", "zzz"] })
  for (const id of pieces.keys()) answer.push(id, null)
  t.same(answer.take(), [
    { type: "text", choice: 0, text: "one ", tokens: 2 },
    { type: "finished", choice: 0, reason: "stop", stop: "END" },
  ])
  t.equal(answer.finished, true)
})

t.test("joined bytes of the log-probabilities are the text, whatever is cut or held back", async (t) => {
  const pieces = ["<th", "ink>a</think>", "\n\nB", [0xf0, 0x9f], [0x9a, 0x80, 0x20], "x E", "NDy", "z"]
  for (const batch of [1, 2, 3, 100]) {
    const { events } = run(pieces, { stop: ["END"], reasoning: THINK }, batch)
    t.equal(textOf(events), "B🚀 x ")
    t.equal(bytesOf(events), "B🚀 x ")
  }
  const spaced = createAnswer({ ...baseOptions(), tokens: tokenText([" Hi", " you"], true) })
  for (const id of [0, 1]) spaced.push(id, { logprob: 0, top: [{ id: 1, logprob: -1 }] })
  const events = spaced.take()
  t.equal(textOf(events), "Hi you")
  t.equal(bytesOf(events), "Hi you")
})

function baseOptions(): Omit<AnswerOptions, "tokens"> {
  return {
    choice: 0,
    stop: [],
    keepLeadingSpace: false,
    reasoning: null,
    startsInReasoning: false,
    toolFormat: null,
    tools: [],
  }
}

t.test("thought, text and calls come in order, and the finish reason tells of the calls", async (t) => {
  const pieces = [
    "<think>",
    "\nI call.",
    "\n</think>\n\n",
    "Wait.\n",
    "<tool_call>",
    '{"name": "f", "argu',
    'ments": {"a"',
    ": 1}}",
    "</tool_call>",
  ]
  for (const batch of [1, 4, 100]) {
    const { events, answer } = run(pieces, { reasoning: THINK, toolFormat: HERMES, tools: [{ name: "f" }] }, batch)
    const kinds = events.map((event) => event.type).filter((kind, i, all) => kind !== all[i - 1])
    t.same(kinds, ["reasoning", "text", "tool_call", "finished"])
    t.equal(textOf(events), "Wait.")
    const calls = events.filter((event) => event.type === "tool_call")
    t.match(calls[0], { index: 0, id: /^call_[0-9a-f]{24}$/, name: "f", argumentsDelta: "" })
    t.equal(calls.map((call) => call.argumentsDelta).join(""), '{"a": 1}')
    t.match(events.at(-1), { type: "finished", reason: "tool_calls" })
    t.equal(answer.reasoningTokens, 2)
  }
})

t.test("channels: thought, call and finish reason, whatever the tokens share", async (t) => {
  const pieces = [
    "<|channel|>",
    "analysis",
    "<|message|>",
    "I call",
    ".",
    "<|end|>",
    "<|start|>",
    "assistant",
    "<|channel|>",
    "commentary",
    " to",
    "=functions",
    ".f",
    " ",
    "<|constrain|>",
    "json",
    "<|message|>",
    '{"a"',
    ": 1}",
  ]
  const options = {
    reasoning: reasoningMarkers("<|channel|>"),
    toolFormat: toolCallFormatByName("harmony"),
    tools: [{ name: "f" }],
  }
  for (const batch of [1, 5, 100]) {
    const { events, answer } = run(pieces, options, batch)
    t.equal(events.flatMap((event) => (event.type === "reasoning" ? [event.text] : [])).join(""), "I call.")
    const calls = events.filter((event) => event.type === "tool_call")
    t.match(calls[0], { index: 0, name: "f" })
    t.equal(calls.map((call) => call.argumentsDelta).join(""), '{"a": 1}')
    t.equal(textOf(events), "")
    t.match(events.at(-1), { type: "finished", reason: "tool_calls" })
    t.ok(answer.reasoningTokens >= 2)
  }
})

t.test("stop strings do not apply to thoughts and arguments", async (t) => {
  const pieces = ["<think>STOP</think>", '<tool_call>{"name": "f", "arguments": {"a": "STOP"}}</tool_call>']
  const { events } = run(pieces, { stop: ["STOP"], reasoning: THINK, toolFormat: HERMES, tools: [{ name: "f" }] }, 1)
  t.match(events.at(-1), { type: "finished", reason: "tool_calls" })
})

t.test("a token that the stop string cuts keeps only the bytes before it", async (t) => {
  const { events } = run(["a", [...Buffer.from("xEND"), 0xf0, 0x9f]], { stop: ["END"] }, 1)
  t.equal(textOf(events), "ax")
  t.equal(bytesOf(events), "ax")
})

t.test("a cut character is left out, with its log-probability", async (t) => {
  const { events } = run(["ok", [0xf0, 0x9f]], {}, 1)
  t.equal(textOf(events), "ok")
  t.equal(bytesOf(events), "ok")
})
