import t from "tap"
import { createTestEngine, record } from "./engine-fixture.ts"
import type { GenerationEvent, GenerationRequest } from "./generation.ts"

const chat: Partial<GenerationRequest> = { prompt: { kind: "chat", messages: [{ role: "user", content: "abc" }] } }

const thoughts = (events: readonly GenerationEvent[]): string =>
  events.map((event) => (event.type === "reasoning" ? event.text : "")).join("")

t.test("when the budget is spent the thought is ended, and the answer goes on from there", async (t) => {
  const { link, submit } = await createTestEngine()
  const got = await submit({ ...chat, thinkingBudget: 4 })
  const first = link.submitted(0)
  link.records(record.started(first), record.text(first, "<hm, and so on"))
  t.match(link.commands.slice(1, 4), [
    { kind: "submit" },
    { kind: "cancel", slot: first.slot, generation: first.generation },
    { kind: "submit", resumed: 6 },
  ])
  const second = link.submitted(1)
  t.equal(String.fromCharCode(...second.promptIds), "abc<hm, >")
  t.equal(second.maxTokens, first.maxTokens)
  link.records(record.text(first, "stale"), record.finish(first, "cancelled"), record.statistics(first, 5000))
  link.records(record.started(second, 9), record.text(second, "Yes"), record.token(second, 0))
  link.records(record.finish(second, "stop"))
  t.equal(thoughts(got.events), "hm,", "space at the end of a thought is dropped, as ever")
  t.equal(got.text(), "Yes")
  t.match(got.events.at(-1), {
    type: "done",
    usage: { promptTokens: 3, cachedTokens: 0, completionTokens: 10, reasoningTokens: 4 },
    times: { prefillMs: 5 },
  })
  t.equal(got.events.filter((event) => event.type === "started").length, 1)
})

t.test("its slot is free again when the token half is done with it, and not before", async (t) => {
  const { link, submit } = await createTestEngine({ limits: { slots: 2 } })
  await submit({ ...chat, thinkingBudget: 1 })
  const first = link.submitted(0)
  link.records(record.started(first), record.text(first, "<a"))
  await submit()
  t.equal(link.submits().length, 2, "both slots are held")
  link.records(record.finish(first, "cancelled"))
  t.equal(link.submits().length, 3)
})

t.test("a thought within its budget is left alone, and so is one that the token limit ends anyway", async (t) => {
  const { link, submit } = await createTestEngine()
  const short = await submit({ ...chat, thinkingBudget: 4 })
  const first = link.submitted(0)
  link.records(record.started(first), record.text(first, "<hm>Yes, of course"), record.finish(first, "stop"))
  t.equal(short.text(), "Yes, of course")
  const cut = await submit({ ...chat, thinkingBudget: 4, maxTokens: 6 })
  const second = link.submitted(1)
  link.records(record.started(second), record.text(second, "<abcde"), record.finish(second, "length"))
  t.equal(thoughts(cut.events), "abcde")
  t.match(cut.events.at(-2), { type: "finished", reason: "length" })
  t.equal(link.submits().length, 2)
})

t.test("each choice has the whole budget", async (t) => {
  const { link, submit } = await createTestEngine()
  const got = await submit({ ...chat, thinkingBudget: 2, choices: 2 })
  const [first, second] = [link.submitted(0), link.submitted(1)]
  link.records(record.started(first), record.text(first, "<abc"))
  t.equal(String.fromCharCode(...link.submitted(2).promptIds), "abc<ab>")
  link.records(record.started(second), record.text(second, "<x"), record.text(second, "y"))
  t.equal(String.fromCharCode(...link.submitted(3).promptIds), "abc<xy>")
  t.equal(link.submitted(3).sampling.seed, second.sampling.seed)
  t.equal(thoughts(got.events), "abxy")
})

t.test("after the loss of a rank process the forced end is not forgotten, and not repeated", async (t) => {
  const { link, submit, loaded } = await createTestEngine()
  const got = await submit({ ...chat, thinkingBudget: 2 })
  const first = link.submitted(0)
  link.records(record.started(first), record.text(first, "<abcd"))
  const second = link.submitted(1)
  link.records(record.started(second), record.text(second, "Y"))
  link.become("lost")
  link.become("up")
  loaded()
  const third = link.submitted(2)
  t.equal(String.fromCharCode(...third.promptIds), "abc<ab>Y")
  t.equal(third.resumed, 5)
  link.records(record.started(third), record.text(third, "es"), record.token(third, 0))
  link.records(record.finish(third, "stop"))
  t.equal(got.text(), "Yes")
  t.equal(thoughts(got.events), "ab")
})

t.test("where thinking is off a model that thinks all the same is stopped at once", async (t) => {
  const { link, submit } = await createTestEngine()
  await submit({
    prompt: {
      kind: "chat",
      messages: [{ role: "user", content: "abc" }],
      templateOptions: { enable_thinking: false },
    },
  })
  const first = link.submitted(0)
  link.records(record.started(first), record.text(first, "<abc"))
  t.equal(String.fromCharCode(...link.submitted(1).promptIds), "abc<>")
})
