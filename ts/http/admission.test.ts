import t from "tap"
import type { EngineState } from "../engine/index.ts"
import { createAdmission } from "./admission.ts"
import { createScriptedEngine } from "./testing/scripted-engine.ts"

function setUp(maxPerClient = 0) {
  const engine = createScriptedEngine()
  engine.capacity = 3
  return { engine, admission: createAdmission(() => engine.status(), maxPerClient) }
}

t.test("the engine's capacity bounds all clients together, and a released place is free again", (t) => {
  const { admission } = setUp()
  const tickets = [admission.take("a", 1), admission.take("b", 2)]
  t.throws(() => admission.take("c", 1), { code: "overloaded" })
  tickets[1]?.release()
  tickets[1]?.release()
  t.equal(admission.active, 1)
  t.throws(() => admission.take("c", 3), { code: "overloaded" })
  t.doesNotThrow(() => admission.take("c", 2))
  t.equal(admission.refusals.get("overloaded"), 2)
  t.end()
})

t.test("one client may be bounded more tightly, by 429", (t) => {
  const { admission } = setUp(1)
  const ticket = admission.take("a", 1)
  t.throws(() => admission.check("a"), { code: "too_many_requests" })
  t.doesNotThrow(() => admission.take("b", 1))
  ticket.release()
  t.doesNotThrow(() => admission.take("a", 1))
  t.end()
})

t.test("nothing starts while the engine is not ready or the server drains", (t) => {
  const { engine, admission } = setUp()
  for (const state of ["starting", "loading", "lost", "stopped"] satisfies EngineState[]) {
    engine.setState(state, "loading weights")
    t.throws(() => admission.check("a"), { code: "engine_unavailable", message: /loading weights/ })
  }
  engine.setState("ready")
  admission.drain()
  t.throws(() => admission.take("a", 1), { code: "draining" })
  t.end()
})
