import t from "tap"
import type { SubmitCommand } from "../link.ts"
import { createSequence, type Sequence } from "../scheduling/index.ts"
import type { Proposer } from "./proposer.ts"
import { createSpeculator } from "./speculator.ts"

function sequenceOf(number: number): Sequence {
  const command: SubmitCommand = {
    kind: "submit",
    slot: number,
    generation: 1,
    model: 0,
    promptIds: Int32Array.of(1, 2, 3),
    sampling: { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 0n, ignoreEos: false },
    maxTokens: 10_000,
    resumed: 0,
    logprobs: -1,
    eosIds: [],
    client: 0,
  }
  return createSequence(number, command, 100, 0)
}

/** Steps of some sequences against a clock of its own: `costOf` rows, and which share of the proposed tokens is right. */
function simulate(count: number, costOf: (rows: number) => number, rightOf: (proposed: number) => number) {
  let nowUs = 0
  const left: Sequence[] = []
  const errors: unknown[] = []
  const proposer: Proposer = {
    kind: "draft",
    serves: () => true,
    available: (_, most) => most,
    propose(requests) {
      if (settings.isBroken) throw new Error("the device is gone")
      nowUs += 20 * Math.max(...requests.map(({ depth }) => depth))
      return { tokens: requests.map(({ depth }) => new Int32Array(depth)), isCatchingUp: false }
    },
    left: (sequence) => void left.push(sequence),
    close: () => {},
  }
  const speculator = createSpeculator(
    proposer,
    () => nowUs,
    (error) => errors.push(error),
  )
  const sequences = Array.from({ length: count }, (_, i) => sequenceOf(i))
  const settings = { costOf, rightOf, isBroken: false }

  function step(): { readonly proposed: number; readonly active: number } {
    const active = sequences.filter((sequence) => speculator.isActive(sequence))
    const proposals =
      active.length === 0
        ? new Map<Sequence, Int32Array>()
        : speculator.propose(
            active.map((sequence) => ({ sequence, most: 100 })),
            count,
          )
    const proposed = [...proposals.values()].reduce((sum, tokens) => sum + tokens.length, 0)
    const us = settings.costOf(count + proposed)
    nowUs += us
    for (const sequence of sequences) {
      const own = proposals.get(sequence)?.length ?? 0
      const right = settings.rightOf(own)
      if (own > 0) speculator.judged(sequence, own, right)
      sequence.known += 1 + right
    }
    speculator.stepTook(count + proposed, us)
    return { proposed, active: active.length }
  }
  const steps = (n: number) => Array.from({ length: n }, step)
  return { speculator, sequences, settings, left, errors, steps }
}

const cheap = (rows: number): number => 1000 + 20 * rows
const dear = (rows: number): number => 1000 * rows

t.test("where tokens are right and rows are cheap, as many as allowed are proposed", async (t) => {
  const { speculator, steps } = simulate(2, cheap, (proposed) => proposed)
  const last = steps(60).slice(-10)
  t.ok(
    last.every(({ proposed }) => proposed === 14),
    "seven for each",
  )
  t.match(speculator.status, { kind: "draft", active: 2, resting: 0 })
  t.equal(speculator.status.proposedTokens, speculator.status.acceptedTokens)
})

t.test("where proposals are wrong they become few, rest, and are tried again", async (t) => {
  const { speculator, steps } = simulate(
    1,
    (rows) => 1000 + 300 * rows,
    () => 0,
  )
  const all = steps(3000)
  t.ok(all.slice(-1000).filter(({ proposed }) => proposed > 0).length < 30, "seldom")
  t.ok(
    all.slice(-1000).some(({ active }) => active > 0),
    "but asked now and then",
  )
  t.equal(speculator.status.acceptedTokens, 0)
})

t.test("where rows are dear nothing is proposed, until they are cheap", async (t) => {
  const { speculator, steps, settings } = simulate(4, dear, (proposed) => proposed)
  const slow = steps(2000)
  t.ok(slow.slice(100).filter(({ proposed }) => proposed > 0).length < 30)
  t.ok(speculator.status.resting > 0, "they rest")
  settings.costOf = cheap
  const fast = steps(20_000)
  t.ok(
    fast.slice(-100).every(({ proposed }) => proposed > 4),
    "they are proposed for again",
  )
})

t.test("who has left is forgotten, here and by the proposer", async (t) => {
  const { speculator, sequences, left, steps } = simulate(3, cheap, (proposed) => proposed)
  steps(5)
  for (const sequence of sequences) speculator.left(sequence)
  t.match(speculator.status, { active: 0, resting: 0 })
  t.same(left, sequences)
})

t.test("a proposer that fails is not asked again, and the steps go on", async (t) => {
  const { speculator, settings, errors, steps } = simulate(2, cheap, (proposed) => proposed)
  steps(20)
  settings.isBroken = true
  const after = steps(50)
  t.ok(after.every(({ proposed }) => proposed === 0))
  t.match(errors, [{ code: "internal", cause: { message: "the device is gone" } }])
  t.match(speculator.status, { active: 0, resting: 0 })
})
