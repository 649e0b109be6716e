import t from "tap"
import type { SubmitCommand } from "../link.ts"
import { createSequence, type Sequence } from "../scheduling/index.ts"
import { createNgramProposer } from "./ngram-proposer.ts"
import type { Proposer } from "./proposer.ts"
import { createRoutedProposer } from "./routed-proposer.ts"

function sequenceOf(promptIds: readonly number[], more: Partial<SubmitCommand> = {}): Sequence {
  const command: SubmitCommand = {
    kind: "submit",
    slot: 0,
    generation: 1,
    model: 0,
    promptIds: Int32Array.from(promptIds),
    sampling: { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 0n, ignoreEos: false },
    maxTokens: 64,
    resumed: 0,
    logprobs: -1,
    eosIds: [],
    client: 0,
    ...more,
  }
  return createSequence(0, command, 100, 0)
}

const proposed = (proposer: Proposer, sequence: Sequence, depth: number): readonly number[] => [
  ...(proposer.propose([{ sequence, depth }]).tokens[0] ?? []),
]

t.test("what followed the last tokens is proposed, and a repetition goes on", async (t) => {
  const proposer = createNgramProposer()
  t.same(proposed(proposer, sequenceOf([1, 2, 3, 40, 41, 9, 1, 2, 3]), 4), [40, 41, 9, 1])
  t.same(proposed(proposer, sequenceOf([7, 8, 5, 6, 5, 6, 5, 6]), 7), [5, 6, 5, 6, 5, 6, 5])
  const unheard = sequenceOf([1, 2, 3, 4, 5, 6])
  t.equal(proposer.available(unheard, 7), 0)
  proposer.left(unheard)
})

t.test("a prediction is followed from its beginning, and again where the answer comes back to it", async (t) => {
  const predictionIds = Int32Array.of(20, 21, 22, 23, 24, 25, 26)
  const proposer = createRoutedProposer(null)
  t.same(proposed(proposer, sequenceOf([1, 2], { predictionIds }), 3), [20, 21, 22])
  const answering = sequenceOf([1, 2, 20, 21, 60, 22, 23, 24], { predictionIds, resumed: 6 })
  t.same(proposed(proposer, answering, 5), [25, 26])
  t.ok(proposer.serves(answering))
  t.notOk(proposer.serves(sequenceOf([1, 2])), "without a prediction nobody proposes")
  proposer.close()
})
