// Hundreds of requests of all kinds at once over little memory, some of them cancelled, with a draft and without: the same
// answers, and no memory that stays taken.

import { join } from "node:path"
import t from "tap"
import type { SubmitCommand, TokenHalfStatistics } from "./link.ts"
import { RANDOM_VOCABULARY, writeRandomCheckpoint } from "./models/random-checkpoint-fixture.ts"
import { seeded } from "./models/random-model-fixture.ts"
import { missingNative, startRank, type TestRank } from "./rank-host-fixture.ts"
import { FinishCode } from "./rings/index.ts"

const skip = missingNative()
const timeout = 110_000
const REQUESTS = 300
const AT_ONCE = 24

interface Asked {
  readonly command: Partial<SubmitCommand> & Pick<SubmitCommand, "promptIds">
  /** Tokens after which it is cancelled; 0: it is not. */
  readonly cancelAfter: number
}

function requests(seed: number): readonly Asked[] {
  const random = seeded(seed)
  const below = (n: number): number => Math.floor(((random() + 1) / 2) * n)
  return Array.from({ length: REQUESTS }, (_, i) => {
    // Few beginnings, so that prefixes are shared, and sometimes the same prompt again.
    const start = below(5)
    const length = 4 + below(90)
    const promptIds = Int32Array.from(
      { length },
      (_, at) => (start * 37 + at * 11 + (at > 20 ? i % 7 : 0)) % RANDOM_VOCABULARY,
    )
    const sampling = { temperature: below(2), topP: 1, topK: 0, minP: 0, seed: BigInt(i), ignoreEos: false }
    const command = { promptIds, sampling, maxTokens: 1 + below(50), eosIds: [3, 77], client: start }
    return { command, cancelAfter: below(5) === 0 ? 1 + below(20) : 0 }
  })
}

async function answerAll(rank: TestRank, asked: readonly Asked[]): Promise<readonly (readonly number[])[]> {
  const answers: (readonly number[])[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    for (let i = next++; i < asked.length; i = next++) {
      const one = asked[i]
      if (one === undefined) return
      let heard = 0
      const answer = await rank.generate(one.command, (slot, generation) => {
        if (++heard === one.cancelAfter) rank.host.link.send({ kind: "cancel", slot, generation })
      })
      if (answer.error >= 0) throw new Error(`request ${i} failed with ${answer.error}`)
      answers[i] = answer.finish === FinishCode.cancelled ? answer.tokens.slice(0, one.cancelAfter) : answer.tokens
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  return answers
}

t.test("a soak with a draft gives the answers of one without, and all requests leave", { skip, timeout }, async (t) => {
  const folder = t.testdir({ model: {}, draft: {} })
  const [path, draftModel] = [join(folder, "model"), join(folder, "draft")]
  writeRandomCheckpoint(path, 21)
  writeRandomCheckpoint(draftModel, 22)
  const asked = requests(5)
  const found: (readonly (readonly number[])[])[] = []
  for (const options of [
    { kvBytes: 2 ** 26 },
    { kvBytes: 2 ** 20, speculate: "draft", draftModel: path },
    { kvBytes: 2 ** 20, speculate: "draft", draftModel },
    { kvBytes: 2 ** 20, speculate: "ngram" },
  ] as const) {
    const rank = await startRank(path, { ...options, maxRunning: 12 })
    t.teardown(() => rank.close())
    let last: TokenHalfStatistics | null = null
    rank.host.link.onNotice((notice) => {
      if (notice.type === "statistics") last = notice.statistics
    })
    t.match(rank.loaded, { type: "loaded" })
    found.push(await answerAll(rank, asked))
    await rank.close()
    t.match(last, { running: 0, waiting: 0 })
  }
  const [plain = [], ...others] = found
  t.equal(plain.length, REQUESTS)
  for (const answers of others) {
    for (const [i, { cancelAfter }] of asked.entries()) {
      const [one = [], other = []] = [plain[i], answers[i]]
      // A cancel takes effect some tokens later, or after the end.
      const shared = cancelAfter > 0 ? Math.min(one.length, other.length) : Math.max(one.length, other.length)
      t.same(other.slice(0, shared), one.slice(0, shared), `request ${i}`)
    }
  }
})
