// Sequences that decode together in MLX's executor: whatever joins, leaves, forks and grows, each gives what it gives
// in steps of its own.

import t from "tap"
import { CommandBuffer, NONE } from "./command-buffer.ts"
import {
  openMlx,
  openRandomModel,
  type RandomModel,
  seeded,
  VOCABULARY,
  writeRandomModel,
} from "./random-model-fixture.ts"

openMlx()
const folder = t.testdir()
writeRandomModel(folder)

interface Part {
  readonly handle: number
  readonly tokens: readonly number[]
}

/** One step over several sequences: the logits of each one's last row. */
function logitsTogether(model: RandomModel, parts: readonly Part[]): Float32Array {
  const buffer = new CommandBuffer()
  buffer.batch(parts.map(({ handle, tokens }) => [handle, tokens.length, model.engine.kvLength(handle)]))
  const hidden = model.forward(buffer, buffer.tokens(Int32Array.from(parts.flatMap((p) => p.tokens)), NONE))
  let row = -1
  const last = Int32Array.from(parts, (p) => (row += p.tokens.length))
  const logits = model.logits(buffer, buffer.rows(hidden, last))
  buffer.evaluate([logits])
  model.engine.exec(buffer.tape, buffer.length)
  const out = new Float32Array(VOCABULARY * parts.length)
  model.engine.readFloats(logits, out)
  return out
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] ?? Number.NaN))), 0)
}

/** Random work on both models; steps that the first has no room for are left out. */
function compare(kvBytes: number, rounds: number, seed: number) {
  const mlx = openRandomModel(folder, { executor: "mlx" }, kvBytes)
  const alone = openRandomModel(folder, { executor: "mlx" }, 64 * 2 ** 20)
  const random = seeded(seed)
  const below = (n: number) => Math.floor(((random() + 1) / 2) * n)
  const token = () => below(VOCABULARY)
  const sequences: [mlx: number, alone: number][] = []
  const counts = { steps: 0, together: 0, refused: 0, largest: 0 }
  const drop = (at: number) => {
    const [removed] = sequences.splice(at, 1)
    if (removed === undefined) return
    mlx.engine.kvClose(removed[0])
    alone.engine.kvClose(removed[1])
  }
  for (let round = 0; round < rounds; round++) {
    const kind = below(12)
    if (sequences.length < 4 || (kind === 0 && sequences.length < 14)) {
      sequences.push([mlx.engine.kvOpen(mlx.store), alone.engine.kvOpen(alone.store)])
    } else if (kind === 1) {
      drop(below(sequences.length))
    } else if (kind === 2 && sequences.length < 14) {
      const [a, b] = sequences[below(sequences.length)] ?? [0, 0]
      const length = below(alone.engine.kvLength(b) + 1)
      sequences.push([mlx.engine.kvFork(a, length), alone.engine.kvFork(b, length)])
    } else if (kind === 3) {
      const [a, b] = sequences[below(sequences.length)] ?? [0, 0]
      const length = Math.max(0, alone.engine.kvLength(b) - below(20))
      mlx.engine.kvTruncate(a, length)
      alone.engine.kvTruncate(b, length)
    }
    const chosen = sequences.filter(() => below(4) > 0)
    const parts = chosen.map(() => {
      const rows = below(14) === 0 ? 60 + below(200) : below(3) === 0 ? 3 : 1
      return Array.from({ length: rows }, token)
    })
    if (chosen.length === 0) continue
    let actual: Float32Array
    try {
      actual = logitsTogether(
        mlx,
        chosen.map(([handle], i) => ({ handle, tokens: parts[i] ?? [] })),
      )
    } catch (error) {
      if (!/KV memory is full/u.test(String(error))) throw error
      counts.refused++
      drop(below(sequences.length))
      continue
    }
    chosen.forEach(([, handle], i) => {
      const expected = logitsTogether(alone, [{ handle, tokens: parts[i] ?? [] }])
      const difference = largestDifference(expected, actual.subarray(i * VOCABULARY, (i + 1) * VOCABULARY))
      counts.largest = Math.max(counts.largest, difference)
    })
    counts.steps++
    if (parts.filter((p) => p.length === 1).length >= 3) counts.together++
  }
  for (const [a, b] of sequences) {
    mlx.engine.kvClose(a)
    alone.engine.kvClose(b)
  }
  const left = mlx.engine.kvStats(mlx.store)
  mlx.engine.close()
  alone.engine.close()
  return { ...counts, left }
}

t.test("sequences that join, leave, fork, forget and outgrow their slab give what each gives alone", async (t) => {
  const { steps, together, refused, largest, left } = compare(64 * 2 ** 20, 80, 1)
  t.ok(steps > 60 && together > 40, `${steps} steps, ${together} of them in company`)
  t.equal(refused, 0)
  t.ok(largest < 1e-4, `logits differ by ${largest}`)
  t.equal(left.blocksUsed, 0, "closed sequences give their memory back")
})

t.test(
  "a store that is short dissolves the company before it refuses, and a refused step changes nothing",
  async (t) => {
    const { steps, refused, largest, left } = compare(14 * 2 * 2 * 2 * 16 * 4 * 256, 80, 2)
    t.ok(steps > 40 && refused > 0, `${steps} steps, ${refused} refused`)
    t.ok(largest < 1e-4, `logits differ by ${largest}`)
    t.equal(left.blocksUsed, 0)
    t.equal(left.sequences, 0)
  },
)
