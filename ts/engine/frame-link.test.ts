import t from "tap"
import { createScriptedLink, record } from "./engine-fixture.ts"
import { createFrameLink, serveLink } from "./frame-link.ts"
import type { BytePort, Command, LinkNotice, LinkState } from "./link.ts"

interface TestPort extends BytePort {
  /** Messages that still fit. */
  room: number
  sent: number
  deliver(kind: number, body: Uint8Array): void
  become(state: LinkState): void
  drain(): void
}

/** Two ends of one path; a message arrives at an odd address, as inside a frame. */
function portPair(): [TestPort, TestPort] {
  const make = (other: () => TestPort): TestPort => {
    const onMessage: ((kind: number, body: Uint8Array) => void)[] = []
    const onState: ((state: LinkState) => void)[] = []
    const onDrain: (() => void)[] = []
    return {
      room: Number.POSITIVE_INFINITY,
      sent: 0,
      send(kind, body) {
        if (this.room < 1) return false
        this.room--
        this.sent++
        const frame = new Uint8Array(body.length + 1)
        frame.set(body, 1)
        other().deliver(kind, frame.subarray(1))
        frame.fill(0xee)
        return true
      },
      deliver: (kind, body) => onMessage.forEach((listener) => listener(kind, body)),
      become: (state) => onState.forEach((listener) => listener(state)),
      drain: () => onDrain.forEach((listener) => listener()),
      onMessage: (listener) => void onMessage.push(listener),
      onState: (listener) => void onState.push(listener),
      onDrain: (listener) => void onDrain.push(listener),
    }
  }
  const front: TestPort = make(() => rank)
  const rank: TestPort = make(() => front)
  return [front, rank]
}

function setUp() {
  const [frontPort, rankPort] = portPair()
  const rings = createScriptedLink()
  rings.become("up")
  const link = createFrameLink(frontPort)
  const service = serveLink(rankPort, rings)
  return { frontPort, rankPort, rings, link, service }
}

const SUBMIT: Command = {
  kind: "submit",
  slot: 3,
  generation: 9,
  model: 0,
  promptIds: Int32Array.of(1, 2, 3),
  sampling: { temperature: 0.5, topP: 0.9, topK: 5, minP: 0, seed: 2n ** 63n, ignoreEos: true },
  maxTokens: 7,
  resumed: 1,
  logprobs: 2,
  eosIds: [4, 5],
  client: 6,
}

t.test("commands, records and notices arrive as they were sent", async (t) => {
  const { frontPort, rings, link } = setUp()
  t.equal(link.state, "connecting")
  t.equal(link.send(SUBMIT), false, "not before the path is up")
  const words: number[][] = []
  const notices: LinkNotice[] = []
  link.onRecords((batch) => words.push([...batch]))
  link.onNotice((notice) => notices.push(notice))
  frontPort.become("up")
  t.equal(link.state, "up")
  t.equal(link.send(SUBMIT), true)
  t.same(rings.commands, [SUBMIT])
  const key = { slot: 3, generation: 9 }
  rings.records(record.token(key, 65, -0.25), record.token(key, 66))
  t.same(words, [[...record.token(key, 65, -0.25), ...record.token(key, 66)]], "one message a batch")
  rings.notice({ type: "load_failed", model: 0, message: "é" })
  t.same(notices, [{ type: "load_failed", model: 0, message: "é" }])
})

t.test("commands wait in the rank process while the ring is full, in order", async (t) => {
  const { frontPort, rings, link } = setUp()
  frontPort.become("up")
  rings.room = 0
  link.send(SUBMIT)
  link.send({ kind: "cancel", slot: 3, generation: 9 })
  t.equal(rings.commands.length, 0)
  rings.room = 9
  rings.drain()
  t.same(
    rings.commands.map((command) => command.kind),
    ["submit", "cancel"],
  )
})

t.test("records and notices wait while the path is full, in order", async (t) => {
  const { frontPort, rankPort, rings, link } = setUp()
  frontPort.become("up")
  const seen: string[] = []
  link.onRecords((words) => seen.push(`${words[4]}`))
  link.onNotice((notice) => seen.push(notice.type))
  rankPort.room = 1
  const key = { slot: 1, generation: 1 }
  rings.records(record.token(key, 1))
  rings.records(record.token(key, 2))
  rings.notice({ type: "load_failed", model: 0, message: "" })
  rankPort.room = 1
  rings.records(record.token(key, 3))
  t.same(seen, ["1"])
  rankPort.drain()
  t.same(seen, ["1", "2"])
  rankPort.room = 9
  rankPort.drain()
  t.same(seen, ["1", "2", "load_failed", "3"])
})

t.test("when the front goes, what runs is cancelled, and what waited for it is dropped", async (t) => {
  const { frontPort, rankPort, rings, link } = setUp()
  frontPort.become("up")
  link.send(SUBMIT)
  link.send({ ...SUBMIT, slot: 4 })
  rings.records(record.finish({ slot: 4, generation: 9 }, "stop"))
  rankPort.room = 0
  rings.records(record.token({ slot: 3, generation: 9 }, 1))
  rankPort.become("lost")
  t.same(rings.commands.slice(2), [{ kind: "cancel", slot: 3, generation: 9 }])
  const seen: number[] = []
  link.onRecords((words) => seen.push(words.length))
  rankPort.room = 9
  rankPort.become("up")
  rankPort.drain()
  t.same(seen, [])
})

t.test("a full path is backpressure for the front, and its end is passed on", async (t) => {
  const { frontPort, link, service } = setUp()
  const states: LinkState[] = []
  let drained = 0
  link.onState((state) => states.push(state))
  link.onDrain(() => drained++)
  frontPort.become("up")
  frontPort.room = 0
  t.equal(link.send(SUBMIT), false)
  frontPort.drain()
  t.equal(drained, 1)
  frontPort.become("lost")
  t.same(states, ["up", "lost"])
  service.close()
  await link.close()
  frontPort.become("up")
  t.same(states, ["up", "lost"], "closed")
})
