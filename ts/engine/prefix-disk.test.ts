// The prefix cache on disk: what one process has computed, the next one finds, and answers are the same.

import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import t, { type Test } from "tap"
import type { SamplingParameters } from "./generation.ts"
import type { LinkNotice } from "./link.ts"
import { fixture, goldenCases, missingNative, startRank, type TestRank } from "./rank-host-fixture.ts"
import type { TokenHalfOptions } from "./token-half-options.ts"

const skip = missingNative()
const timeout = 60_000
const model = fixture("tiny-qwen3")
const BLOCK = 64

const { cases } = goldenCases("tiny-qwen3")
const prompt = Int32Array.from(cases.flatMap(({ prompt_ids }) => [...prompt_ids])).slice(0, 5 * BLOCK + 17)
const other = Int32Array.from(prompt, (id, i) => (i === 3 * BLOCK + 5 ? id + 1 : id))
const greedy: SamplingParameters = { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 7n, ignoreEos: true }
const warm = { ...greedy, temperature: 1 }

const files = (folder: string): string[] => readdirSync(folder).filter((name) => name.endsWith(".safetensors"))

/** Runs a rank whose prefix cache is in the folder; what it noted for the operator. */
async function withRank(
  folder: string,
  work: (rank: TestRank) => Promise<void>,
  options: Partial<TokenHalfOptions> = {},
): Promise<string[]> {
  const rank = await startRank(model, { prefixCacheFolder: folder, ...options })
  const notes: string[] = []
  rank.host.link.onNotice((notice: LinkNotice) => {
    if (notice.type === "note") notes.push(notice.message)
  })
  try {
    await work(rank)
  } finally {
    await rank.close()
  }
  return notes
}

const ask = (rank: TestRank, promptIds: Int32Array, sampling = greedy, salt?: string) =>
  rank.generate({ promptIds, sampling, maxTokens: 24, ...(salt === undefined ? {} : { salt }) })

let expected: Promise<readonly number[][]> | null = null

/** Computed once, without a disk. */
function expectedAnswers(): Promise<readonly number[][]> {
  expected ??= computeAnswers()
  return expected
}

async function computeAnswers(): Promise<readonly number[][]> {
  const answers: number[][] = []
  const rank = await startRank(model)
  for (const [ids, sampling] of [
    [prompt, greedy],
    [prompt, warm],
    [other, greedy],
  ] as const)
    answers.push((await ask(rank, ids, sampling)).tokens)
  await rank.close()
  return answers
}

async function expectRestored(t: Test, folder: string, options: Partial<TokenHalfOptions> = {}): Promise<void> {
  const [plain, sampled, changed] = await expectedAnswers()
  await withRank(
    folder,
    async (rank) => {
      const [first, second] = await Promise.all([ask(rank, prompt), ask(rank, prompt, warm)])
      t.ok(first.cached >= 5 * BLOCK, `${first.cached} tokens were kept`)
      t.same(first.tokens, plain)
      t.same(second.tokens, sampled)
      const third = await ask(rank, other)
      t.ok(third.cached >= 3 * BLOCK && third.cached <= 3 * BLOCK + 5)
      t.same(third.tokens, changed)
    },
    options,
  )
}

t.test(
  "a prompt of an earlier process is not computed again, and its answer is the same",
  { skip, timeout },
  async (t) => {
    const folder = join(t.testdir(), "kept")
    await withRank(folder, async (rank) => {
      t.equal((await ask(rank, prompt)).cached, 0)
    })
    t.equal(files(folder).length, 5, "a file each whole block of the prompt and its answer")
    t.equal(statSync(join(folder, files(folder)[0] ?? "")).mode & 0o077, 0, "nobody else may read it")
    await expectRestored(t, folder)
    t.test("with MLX's own operations, too", async (t) => {
      const numbers = join(t.testdir(), "kept")
      await withRank(numbers, async (rank) => void (await ask(rank, prompt)), { executor: "mlx" })
      await withRank(
        numbers,
        async (rank) => {
          const { cached, tokens } = await ask(rank, prompt)
          t.ok(cached >= 5 * BLOCK)
          const alone = await startRank(model, { executor: "mlx" })
          t.same(tokens, (await ask(alone, prompt)).tokens)
          await alone.close()
        },
        { executor: "mlx" },
      )
    })
  },
)

t.test("with little memory, what is evicted comes back from the disk", { skip, timeout }, async (t) => {
  const folder = join(t.testdir(), "kept")
  await withRank(folder, async (rank) => void (await ask(rank, prompt)))
  await withRank(
    folder,
    async (rank) => {
      await ask(rank, prompt)
      for (const start of [1, 2, 3])
        await ask(
          rank,
          prompt.map((id) => (id + start) % 2000),
        )
      const again = await ask(rank, prompt)
      t.ok(again.cached >= 5 * BLOCK, `${again.cached} tokens were kept`)
      t.same(again.tokens, (await expectedAnswers())[0])
    },
    { kvBytes: 16 * 2 ** 20, contextLength: 400 },
  )
})

t.test("KV of another salt, numeric mode or model is never taken", { skip, timeout }, async (t) => {
  const folder = join(t.testdir(), "kept")
  await withRank(folder, async (rank) => void (await ask(rank, prompt, greedy, "one")))
  await withRank(folder, async (rank) => {
    t.equal((await ask(rank, prompt, greedy, "two")).cached, 0)
    t.ok((await ask(rank, prompt, greedy, "one")).cached >= 5 * BLOCK)
  })
  await withRank(folder, async (rank) => void t.equal((await ask(rank, prompt, greedy, "one")).cached, 0), {
    numeric: "fp32",
  })
})

t.test("damaged and foreign files are noted once and change no answer", { skip, timeout }, async (t) => {
  const folder = join(t.testdir(), "kept")
  const [plain] = await expectedAnswers()
  await withRank(folder, async (rank) => void (await ask(rank, prompt)))
  const names = files(folder)
  for (const [i, name] of names.entries()) {
    const path = join(folder, name)
    if (i === 0) truncateSync(path, 100)
    else if (i === 1) writeFileSync(path, readFileSync(join(folder, names[2] ?? "")))
    else {
      const bytes = readFileSync(path)
      bytes[bytes.length - 1000] = (bytes[bytes.length - 1000] ?? 0) ^ 1
      writeFileSync(path, bytes)
    }
  }
  writeFileSync(join(folder, "notes.txt"), "mine")
  const notes = await withRank(folder, async (rank) => {
    const { cached, tokens } = await ask(rank, prompt)
    t.equal(cached, 0)
    t.same(tokens, plain)
  })
  t.equal(notes.length, 1, notes.join("\n"))
  t.match(notes[0], /a block is not used: (is cut|is damaged|is of another key)/)
  t.equal(readFileSync(join(folder, "notes.txt"), "utf8"), "mine")
  await expectRestored(t, folder)
})

t.test("the folder stays below its size", { skip, timeout }, async (t) => {
  const folder = join(t.testdir(), "kept")
  await withRank(folder, async (rank) => void (await ask(rank, prompt)))
  const each = statSync(join(folder, files(folder)[0] ?? "")).size
  await withRank(folder, async (rank) => void (await ask(rank, other)), { prefixCacheDiskBytes: 3 * each + each / 2 })
  t.equal(files(folder).length, 3)
})

t.test("a folder that cannot be used ends the start with one sentence", { skip, timeout }, async (t) => {
  const path = join(t.testdir({ file: "" }), "file", "kept")
  await t.rejects(startRank(model, { prefixCacheFolder: path }), /The folder of the prefix cache cannot be used/)
})
