import t from "tap"
import { createTestEngine, record } from "./engine-fixture.ts"
import { SUBMITTED_LOSSES } from "./journal.ts"

t.test("an answer goes on in the next rank process, and nothing comes twice", async (t) => {
  const { link, submit, engine, loaded } = await createTestEngine()
  const got = await submit({ stop: ["!!"] })
  const first = link.submitted(0)
  link.records(record.started(first), record.text(first, "Hello, w!"))
  t.equal(got.text(), "Hello, w")
  link.become("lost")
  t.match(engine.status(), { state: "lost", restarts: 1, running: 1 })
  t.equal(got.events.at(-1)?.type, "text", "the request waits")
  link.become("up")
  t.equal(link.submits().length, 1, "not before the model is loaded")
  t.match(link.commands.at(-1), { kind: "load", model: 0 })
  loaded()
  const again = link.submitted(1)
  t.match(again, { resumed: 9, maxTokens: 20, sampling: { seed: 7n } })
  t.equal(String.fromCharCode(...again.promptIds), "abcHello, w!")
  link.records(record.text(first, "stale"))
  link.records(record.started(again), record.text(again, "o!"), record.text(again, "!x"))
  t.equal(got.text(), "Hello, w!o", "held text and stop state are kept")
  t.match(got.events.at(-1), { type: "done", usage: { promptTokens: 3, completionTokens: 12 } })
  t.equal(got.events.filter((event) => event.type === "started").length, 1)
})

t.test("an answer that was running at two losses in a row gets an error; one that waited does not", async (t) => {
  const { link, submit, loaded } = await createTestEngine()
  const ran = await submit()
  const waited = await submit()
  const first = link.submitted(0)
  link.records(record.started(first))
  const reload = (): void => {
    link.become("lost")
    link.become("up")
    loaded()
  }
  reload()
  t.equal(ran.events.at(-1)?.type, "started")
  const again = link.submitted(2)
  link.records(record.started(again))
  reload()
  t.match(ran.events.at(-1), { type: "error", error: { code: "engine_lost" } })
  t.equal(waited.events.at(-1)?.type, "queued")
  t.equal(link.submits().length, 5, "the other is submitted a third time")
})

t.test("an answer whose submit ends one rank process after the other gets an error", async (t) => {
  const { link, submit, loaded } = await createTestEngine()
  const got = await submit()
  for (let loss = 1; loss <= SUBMITTED_LOSSES; loss++) {
    t.equal(got.events.at(-1)?.type, "queued")
    link.become("lost")
    link.become("up")
    loaded()
  }
  t.match(got.events.at(-1), { type: "error", error: { code: "engine_lost" } })
  t.equal(link.submits().length, SUBMITTED_LOSSES)
})

t.test("losses that are not in a row do not end an answer", async (t) => {
  const { link, submit, loaded } = await createTestEngine()
  const got = await submit()
  for (let round = 0; round < 3; round++) {
    const command = link.submitted(-1)
    link.records(record.started(command))
    link.become("lost")
    link.become("up")
    link.become("lost")
    link.become("up")
    loaded()
  }
  t.equal(got.events.at(-1)?.type, "started")
})

t.test("an answer whose last record was lost with the process is finished at once", async (t) => {
  const { link, submit } = await createTestEngine()
  const byLength = await submit({ maxTokens: 2 })
  const byEnd = await submit()
  const [a, b] = [link.submitted(0), link.submitted(1)]
  link.records(record.text(a, "ab"), record.text(b, "x"), record.token(b, 0))
  link.become("lost")
  t.match(byLength.events.slice(-2), [{ type: "finished", reason: "length" }, { type: "done" }])
  t.match(byEnd.events.slice(-2), [{ type: "finished", reason: "stop" }, { type: "done" }])
})

t.test("an engine that does not come back in time is an error", async (t) => {
  const { link, submit, clock } = await createTestEngine({ recoveryMs: 1000 })
  const got = await submit()
  link.become("lost")
  clock.advance(999)
  t.equal(got.events.at(-1)?.type, "queued")
  link.become("up")
  clock.advance(1)
  t.match(got.events.at(-1), { type: "error", error: { code: "engine_lost", message: /within 1 s/ } })
})

t.test("an engine that came back in time has no deadline any more", async (t) => {
  const { link, submit, clock, loaded } = await createTestEngine({ recoveryMs: 1000 })
  const got = await submit()
  link.become("lost")
  link.become("up")
  loaded()
  clock.advance(5000)
  t.equal(got.events.at(-1)?.type, "queued")
})

t.test("without replay all in flight get an error at once", async (t) => {
  const { link, submit, engine } = await createTestEngine({ replay: false })
  const a = await submit()
  const b = await submit()
  link.become("lost")
  t.match(a.events.at(-1), { type: "error", error: { code: "engine_lost" } })
  t.match(b.events.at(-1), { type: "error", error: { code: "engine_lost" } })
  t.match(engine.status(), { running: 0, waiting: 0 })
})

t.test("a cancelled answer is not submitted again", async (t) => {
  const { link, submit, loaded } = await createTestEngine()
  const got = await submit()
  link.become("lost")
  got.cancel()
  link.become("up")
  loaded()
  t.equal(link.submits().length, 1)
})

for (const retriesLoads of [true, false]) {
  const what = retriesLoads ? "waits for the next one, where one is tried" : "ends with an error, where none is tried"
  t.test(`an answer whose next rank process cannot load the model ${what}`, async (t) => {
    const { link, submit, loaded } = await createTestEngine({ retriesLoads })
    const got = await submit()
    const first = link.submitted(0)
    link.records(record.started(first), record.text(first, "Hello"))
    link.become("lost")
    link.become("up")
    link.notice({ type: "load_failed", model: 0, message: "the ranks do not agree" })
    if (!retriesLoads) {
      t.match(got.events.at(-1), { type: "error", error: { code: "engine_unavailable" } })
      return
    }
    link.become("lost")
    link.become("up")
    loaded()
    const again = link.submitted(1)
    link.records(record.started(again), record.text(again, "!!"))
    t.equal(got.text(), "Hello!!")
  })
}
