import t from "tap"
import { CONTEXT_LENGTH, createTestEngine, record, settled } from "./engine-fixture.ts"

t.test("an answer streams: queued, started, text a batch, finished, done", async (t) => {
  const { link, clock, submit, engine } = await createTestEngine()
  const got = await submit({ client: "me" })
  const command = link.submitted(0)
  t.match(command, { model: 0, maxTokens: 20, resumed: 0, logprobs: -1, eosIds: [0] })
  t.same([...command.promptIds], [97, 98, 99])
  t.match(engine.status(), { state: "ready", running: 0, waiting: 1, capacity: 256 })
  clock.advance(10)
  link.records(record.started(command, 2))
  clock.advance(5)
  t.equal(engine.status().running, 1)
  link.records(record.text(command, "Hel"))
  link.records(record.text(command, "lo"), record.token(command, 0), record.finish(command, "stop", 9000))
  t.same(got.batches, [
    [{ type: "queued", promptTokens: 3 }],
    [{ type: "started", cachedTokens: 2 }],
    [{ type: "text", choice: 0, text: "Hel", tokens: 3 }],
    [
      { type: "text", choice: 0, text: "lo", tokens: 2 },
      { type: "finished", choice: 0, reason: "stop" },
      {
        type: "done",
        usage: { promptTokens: 3, cachedTokens: 2, completionTokens: 6, reasoningTokens: 0 },
        times: { queuedMs: 9, prefillMs: 5, firstTokenMs: 15, totalMs: 15 },
      },
    ],
  ])
  t.match(engine.status(), { running: 0, waiting: 0 })
})

t.test("two choices have two slots, two seeds and one done", async (t) => {
  const { link, submit } = await createTestEngine()
  const got = await submit({ choices: 2 })
  const [a, b] = [link.submitted(0), link.submitted(1)]
  t.same([a.sampling.seed, b.sampling.seed], [7n, 8n])
  link.records(record.text(a, "A1"), record.text(b, "B1"), record.text(a, "A2"), record.finish(b, "length"))
  t.same([got.text(0), got.text(1)], ["A1A2", "B1"])
  t.notOk(got.events.some((event) => event.type === "done"))
  link.records(record.finish(a, "stop"), record.statistics(a, 4000))
  t.match(got.events.at(-1), { type: "done", usage: { promptTokens: 3, completionTokens: 6 }, times: { prefillMs: 4 } })
})

t.test("a stop string cuts the text, cancels the slot, and later tokens are dropped", async (t) => {
  const { link, submit } = await createTestEngine()
  const got = await submit({ stop: ["END"] })
  const command = link.submitted(0)
  link.records(record.text(command, "one E"))
  t.equal(got.text(), "one ")
  link.records(record.text(command, "NDxyz"))
  t.match(got.events.slice(-2), [
    { type: "finished", reason: "stop", stop: "END" },
    { type: "done", usage: { completionTokens: 7 } },
  ])
  t.match(link.commands.at(-1), { kind: "cancel", slot: command.slot, generation: command.generation })
  link.records(record.text(command, "more"), record.finish(command, "cancelled"))
  t.equal(got.text(), "one ")
  t.equal(link.commands.length, 3, "load, submit and one cancel")
  const next = await submit()
  t.match(link.submits().at(-1), { slot: command.slot, generation: command.generation + 1 }, "the slot is used again")
  link.records(record.text(command, "late"))
  t.equal(next.text(), "", "a record of the old generation is nobody's")
})

t.test("the token half may finish in the batch in which the stop string is met", async (t) => {
  const { link, submit } = await createTestEngine()
  const got = await submit({ stop: ["b"] })
  const command = link.submitted(0)
  link.records(record.text(command, "ab"), record.finish(command, "length"))
  t.match(got.events.at(-2), { type: "finished", reason: "stop", stop: "b" })
  t.notOk(
    link.commands.some((one) => one.kind === "cancel"),
    "there is nothing to cancel",
  )
})

t.test("log-probabilities come with their alternatives, also when a batch ends between them", async (t) => {
  const { link, submit } = await createTestEngine()
  const got = await submit({ logprobs: 2 })
  const command = link.submitted(0)
  link.records(record.token(command, 72, -0.5), record.alternative(command, 72, -0.5))
  t.equal(got.text(), "")
  link.records(record.alternative(command, 73, -1.5), record.finish(command, "length"))
  const text = got.events.find((event) => event.type === "text")
  t.match(text, { text: "H", logprobs: [{ id: 72, logprob: -0.5, top: [{ id: 72 }, { id: 73, logprob: -1.5 }] }] })
  t.same([...(text?.type === "text" ? (text.logprobs?.[0]?.top[1]?.bytes ?? []) : [])], [73])
})

t.test("cancel sends one cancel and no event follows", async (t) => {
  const { link, submit, engine } = await createTestEngine()
  const got = await submit()
  const command = link.submitted(0)
  const before = got.events.length
  got.cancel()
  got.cancel()
  link.records(record.text(command, "x"), record.finish(command, "cancelled"))
  t.equal(got.events.length, before)
  t.equal(link.commands.filter((one) => one.kind === "cancel").length, 1)
  t.match(engine.status(), { running: 0, waiting: 0 })
})

t.test("without room in the link a request waits for it, in order", async (t) => {
  const { link, submit } = await createTestEngine()
  link.room = 0
  await submit({ maxTokens: 1 })
  const second = await submit({ maxTokens: 2 })
  await submit({ maxTokens: 3 })
  t.equal(link.submits().length, 0)
  second.cancel()
  link.room = 1
  link.drain()
  t.same(
    link.submits().map((one) => one.maxTokens),
    [1],
  )
  link.room = 5
  link.drain()
  t.same(
    link.submits().map((one) => one.maxTokens),
    [1, 3],
  )
})

t.test("with all slots taken a choice waits until one is free", async (t) => {
  const { link, submit } = await createTestEngine({ limits: { slots: 1 } })
  await submit()
  await submit({ maxTokens: 5 })
  const first = link.submitted(0)
  t.equal(link.submits().length, 1)
  link.records(record.finish(first, "length"))
  t.match(link.submits().at(-1), { slot: first.slot, generation: first.generation + 1, maxTokens: 5 })
})

t.test("one request too many is refused", async (t) => {
  const { submit } = await createTestEngine({ limits: { requests: 1 } })
  await submit()
  const got = await submit()
  t.match(got.events, [{ type: "error", error: { code: "overloaded" } }])
})

t.test("events never come before submit returns", async (t) => {
  const { engine } = await createTestEngine()
  let called = false
  const sampling = { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 1n, ignoreEos: false }
  const prompt = { kind: "text", text: "a" } as const
  const request = { id: "x", model: "absent", prompt, sampling, maxTokens: null, stop: [], choices: 1 }
  engine.submit(request, () => (called = true))
  t.equal(called, false)
  await settled()
  t.equal(called, true)
})

t.test("what cannot be served is refused in words", async (t) => {
  const { submit, engine, link, loaded } = await createTestEngine({ cold: true })
  const errorOf = async (request: Parameters<typeof submit>[0]): Promise<unknown> => {
    const last = (await submit(request)).events.at(-1)
    return last?.type === "error"
      ? { code: last.error.code, message: last.error.message, param: last.error.param }
      : last
  }
  t.match(engine.status(), { state: "starting" })
  t.match(await errorOf({}), { code: "engine_unavailable", message: /starting/ })
  link.become("up")
  t.match(engine.status(), { state: "loading" })
  loaded()
  t.match(engine.status(), {
    state: "ready",
    detail: "",
    models: [{ id: "m", capabilities: ["completion", "chat"], contextLength: CONTEXT_LENGTH, defaults: {} }],
  })
  t.match(await errorOf({ model: "other" }), { code: "model_not_found", message: /"other".*Loaded: m/, param: "model" })
  const text = "x".repeat(CONTEXT_LENGTH)
  t.match(await errorOf({ prompt: { kind: "text", text } }), {
    code: "context_length_exceeded",
    message: new RegExp(`${CONTEXT_LENGTH} tokens, and the context holds ${CONTEXT_LENGTH}`),
  })
  t.match(await errorOf({ prompt: { kind: "text", text: "" } }), { code: "invalid_request", param: "prompt" })
  t.match(await errorOf({ choices: 0 }), { code: "invalid_request", param: "n" })
  t.match(await errorOf({ choices: 1000 }), { code: "invalid_request", param: "n" })
  t.match(await errorOf({ maxTokens: 0 }), { code: "invalid_request", param: "max_tokens" })
  t.match(await errorOf({ logprobs: 99 }), { code: "invalid_request", param: "top_logprobs" })
})

t.test("no limit of tokens means the rest of the context, and a limit is cut to it", async (t) => {
  const { submit, link } = await createTestEngine()
  await submit({ maxTokens: null })
  await submit({ maxTokens: 5000 })
  t.same(
    link.submits().map((one) => one.maxTokens),
    [CONTEXT_LENGTH - 3, CONTEXT_LENGTH - 3],
  )
})

t.test("an error of the token half ends its request only", async (t) => {
  const { submit, link } = await createTestEngine()
  const bad = await submit({ choices: 2 })
  const good = await submit()
  const [a, b, c] = [link.submitted(0), link.submitted(1), link.submitted(2)]
  link.records(record.text(b, "x"), record.error(a, 1), record.text(c, "fine"))
  t.match(bad.events.at(-1), { type: "error", error: { code: "out_of_memory" } })
  t.match(link.commands.at(-1), { kind: "cancel", slot: b.slot }, "its other choice is cancelled")
  t.equal(good.text(), "fine")
})

t.test("a listener that throws does not stop the others", async (t) => {
  const { engine, link, submit } = await createTestEngine()
  const warned = new Promise((resolve) => process.once("warning", resolve))
  const sampling = { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 1n, ignoreEos: false }
  const prompt = { kind: "text", text: "a" } as const
  engine.submit({ id: "x", model: "m", prompt, sampling, maxTokens: 9, stop: [], choices: 1 }, (events) => {
    if (events.some((event) => event.type === "text")) throw new Error("listener")
  })
  const other = await submit()
  const [a, b] = [link.submitted(0), link.submitted(1)]
  link.records(record.text(a, "x"), record.text(b, "y"))
  t.equal(other.text(), "y")
  t.match(await warned, { message: "listener" })
})

t.test("a model that does not load is said so, and its requests end", async (t) => {
  const { engine, link, submit } = await createTestEngine({ cold: true })
  link.become("up")
  link.notice({ type: "load_failed", model: 0, message: "tensor q is missing" })
  t.match(engine.status(), { state: "loading", detail: /m failed to load: tensor q is missing/ })
  t.match((await submit()).events, [{ type: "error", error: { code: "engine_unavailable" } }])
})

t.test("notices of other things change nothing of a loaded model", async (t) => {
  const { engine, link } = await createTestEngine()
  link.notice({ type: "step_failed", model: 0, message: "one step" })
  t.equal(engine.status().state, "ready")
})

t.test("tokenize and detokenize are each other's inverse", async (t) => {
  const { engine } = await createTestEngine()
  const ids = await engine.tokenize("m", { kind: "text", text: "Hello" })
  t.equal(await engine.detokenize("m", [...ids]), "Hello")
})

t.test("close ends what runs, twice is once", async (t) => {
  const { engine, submit, link } = await createTestEngine()
  const got = await submit()
  await engine.close()
  await engine.close()
  t.match(got.events.at(-1), { type: "error", error: { code: "engine_unavailable" } })
  t.equal(engine.status().state, "stopped")
  t.match(link.commands.at(-1), { kind: "cancel" })
  t.match((await submit()).events, [{ type: "error", error: { code: "engine_unavailable" } }])
})

t.test("tokens that the request names end its answer, also where the model's own do not", async (t) => {
  const { link, submit } = await createTestEngine()
  const sampling = { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 7n, ignoreEos: true }
  await submit({ stopIds: [5, 6] })
  t.match(link.submitted(-1), { eosIds: [0, 5, 6], sampling: { ignoreEos: false } })
  await submit({ stopIds: [5], sampling })
  t.match(link.submitted(-1), { eosIds: [5], sampling: { ignoreEos: false } })
  await submit({ sampling })
  t.match(link.submitted(-1), { eosIds: [0], sampling: { ignoreEos: true } })
})
