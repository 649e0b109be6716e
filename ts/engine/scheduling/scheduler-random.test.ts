import t, { type Test } from "tap"
import { FinishCode } from "../rings/index.ts"
import { KvFullError } from "./model-runner.ts"
import { nextToken } from "./reference-runner.ts"
import { expected, prompt, request, setUp, VOCABULARY } from "./scheduler-fixture.ts"
import type { Sequence } from "./sequence.ts"
import type { Candidate, Speculator } from "./speculator.ts"

/** Uniform in [0, 1), seeded (mulberry32). */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let x = Math.imul(state ^ (state >>> 15), 1 | state)
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Proposes some tokens now and then, right ones and wrong ones. */
function randomSpeculator(uniform: () => number): Speculator & { accepted: number; refused: number } {
  const speculator = {
    accepted: 0,
    refused: 0,
    isActive: ({ number, known }: Sequence) => number % 5 > 0 && (known + number) % 7 > 0,
    propose(candidates: readonly Candidate[]) {
      const proposals = new Map<Sequence, Int32Array>()
      for (const { sequence, most } of candidates) {
        const tokens = [...sequence.ids.subarray(0, sequence.known)]
        const count = Math.min(most, Math.floor(uniform() * 10))
        for (let i = 0; i < count; i++) tokens.push(uniform() < 0.8 ? nextToken(tokens, VOCABULARY) : 3)
        if (count > 0) proposals.set(sequence, Int32Array.from(tokens.slice(sequence.known)))
      }
      return proposals
    },
    judged(_: Sequence, proposed: number, accepted: number) {
      speculator.accepted += accepted
      speculator.refused += proposed - accepted
    },
    stepTook() {},
    left() {},
  }
  return speculator
}

async function compareWithReference(t: Test, withSpeculation: boolean): Promise<void> {
  let [accepted, refused] = [0, 0]
  for (let seed = 1; seed <= 60; seed++) {
    const uniform = random(seed)
    const below = (n: number): number => Math.floor(uniform() * n)
    const speculator = randomSpeculator(random(-seed))
    const { scheduler, runner, cache, loop, hear, errors } = setUp({
      blocks: 30 + below(120),
      maxRunning: 1 + below(8),
      prefillChunk: 1 + below(40),
      interleavedChunk: 1 + below(20),
      lookAhead: uniform() < 0.8,
      ...(withSpeculation ? { speculator } : {}),
    })
    // The store may refuse a step that the scheduler thought would fit.
    runner.beforeSubmit = () => {
      if (uniform() < 0.02) throw new KvFullError(new Error("KV memory is full"))
    }
    const asked = Array.from({ length: 40 }, (_, slot) => {
      // Some are the same prompt again, as the choices of one request are.
      const ids =
        uniform() < 0.3 ? prompt(35, below(2)) : [...prompt(1 + below(40), below(3)), ...prompt(below(20), below(3))]
      const maxTokens = 1 + below(40)
      const eosIds = uniform() < 0.3 ? [below(97), below(97)] : []
      return { slot, ids, maxTokens, eosIds, client: below(3), cancelAt: uniform() < 0.2 ? below(300) : -1 }
    })
    let next = 0
    for (let step = 0; step < 5000; step++) {
      while (next < asked.length && uniform() < 0.3) {
        const { slot, ids, maxTokens, eosIds, client } = asked[next++] ?? {
          slot: -1,
          ids: [],
          maxTokens: 0,
          eosIds: [],
          client: 0,
        }
        scheduler.submit(request(slot, ids, maxTokens, { eosIds, client, salt: String(client) }))
      }
      for (const { slot, cancelAt } of asked) if (cancelAt === step) scheduler.cancel(slot, 1)
      if (!loop.step() && next === asked.length) break
    }
    t.equal(scheduler.running + scheduler.waiting, 0)
    t.same(errors, [])
    for (const { slot, ids, maxTokens, eosIds } of asked) {
      const { tokens, finish, error } = hear(slot)
      const whole = expected(ids, maxTokens, eosIds)
      // Refused twice while it ran alone: an error is right, and what came before is.
      if (finish === FinishCode.cancelled || error >= 0) t.same(tokens, whole.slice(0, tokens.length))
      else t.same(tokens, whole, `seed ${seed}, slot ${slot}`)
    }
    runner.submitted.forEach((plan, i) => plan.step === i || t.fail("a gap between plans"))
    cache.clear()
    t.equal(runner.blocksUsed, 0, "every block is free again")
    accepted += speculator.accepted
    refused += speculator.refused
  }
  t.equal(accepted > 1000 && refused > 1000, withSpeculation, `${accepted} proposals were right, ${refused} wrong`)
}

t.test("in any company, with any memory, every request gives the tokens it gives alone", (t) =>
  compareWithReference(t, false),
)

t.test("so it does when tokens are proposed, whether they are right or wrong", (t) => compareWithReference(t, true))
