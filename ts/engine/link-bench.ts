// Measures and checks the collectives of a rank group without a model of its own: rows of the bundled test model's
// embedding are summed over the ranks. What is timed is the collective alone, by the clock of the native side. Blocks the
// thread that calls it: it belongs to a process that does nothing else.

import { EngineError } from "./errors.ts"
import { CommandBuffer, NONE } from "./models/index.ts"
import { openMeeting, type RankGroupPlace } from "./rank-host.ts"
import { joinRankGroup } from "./rank-place.ts"
import { type TokenHalfOptions, tokenHalfOptions } from "./token-half-options.ts"

/** Every rank gets the same. */
export interface LinkRound {
  /** Rows of ROW_BYTES that each rank gives. */
  readonly rows: number
  readonly repeats: number
  /** Which rows; another seed, other numbers. */
  readonly seed: number
  /** Every element of every sum is compared with what it must be. */
  readonly check: boolean
}

export interface LinkRoundResult {
  /** Of each repeat, waiting for the other ranks included. */
  readonly microseconds: readonly number[]
  /** Elements that were not what they must be. */
  readonly wrong: number
  readonly checked: number
  /** What the group itself says that it runs over: "tcp", "jaccl-mesh", "jaccl-ring", "ring", "nccl". */
  readonly backend: string
}

export interface LinkBench {
  run(round: LinkRound): LinkRoundResult
}

const MODEL = "model.embed_tokens.weight"
const VOCABULARY = 4096
const WIDTH = 256
/** Bytes of one row of f32. */
export const LINK_ROW_BYTES = WIDTH * Float32Array.BYTES_PER_ELEMENT
const TABLE = 0
/** A sum of up to eight bf16 numbers, each times a small integer, in f32: exact but for the last bits. */
const TOLERANCE = 1e-5

/** `modelPath`: fixtures/tiny-qwen3. Rejects when MLX cannot be opened or the ranks do not meet. */
export async function openLinkBench(
  given: Partial<TokenHalfOptions>,
  group: RankGroupPlace,
  modelPath: string,
): Promise<LinkBench> {
  const { Checkpoint, groupCounters, loadMlx, NativeEngine } = await import("mlx-jaccl-rs")
  const { device, executor, jacclPath, libmlxPath, numeric, isa, shimPath, threads } = tokenHalfOptions(given)
  loadMlx(libmlxPath, shimPath)
  const engine = new NativeEngine({ device, executor, threads, numeric, isa })
  const whole = { rowStart: 0, rowEnd: -1, columnStart: 0, columnEnd: -1 }
  engine.loadWeight(TABLE, new Checkpoint(modelPath), { parts: [{ name: MODEL, ...whole }], kind: "matrix" })
  const { place, port } = openMeeting(group)
  await joinRankGroup(engine, place, port, jacclPath)
  const scaleOfAll = (group.size * (group.size + 1)) / 2

  /** The rows as one rank of a group of one would see them. */
  function plain(rows: number, tokens: Int32Array): Float32Array {
    const buffer = new CommandBuffer()
    const own = buffer.embed(buffer.tokens(tokens, NONE), TABLE, 1)
    buffer.evaluate([own])
    engine.exec(buffer.tape, buffer.length)
    const values = new Float32Array(rows * WIDTH)
    engine.readFloats(own, values)
    return values
  }

  /** Time that this rank has spent in collectives, by the group's own clock. */
  function collectiveUs(): number {
    const counters = groupCounters()
    const own = counters?.ranks[group.rank]
    if (own === undefined) throw new EngineError("engine_lost", "The rank group is gone.")
    return own.collectiveUs
  }

  return {
    run({ rows, repeats, seed, check }) {
      const tokens = Int32Array.from({ length: rows }, (_, at) => (at * 31 + seed * 17) % VOCABULARY)
      const expected = check ? plain(rows, tokens) : null
      const microseconds: number[] = []
      let wrong = 0
      let checked = 0
      for (let repeat = 0; repeat < repeats; repeat++) {
        const buffer = new CommandBuffer()
        const own = buffer.embed(buffer.tokens(tokens, NONE), TABLE, group.rank + 1)
        const sum = buffer.allSum(own)
        const last = buffer.rows(sum, Int32Array.of(rows - 1))
        buffer.evaluate([sum, last])
        const before = collectiveUs()
        engine.exec(buffer.tape, buffer.length)
        engine.readFloats(last, new Float32Array(WIDTH))
        microseconds.push(collectiveUs() - before)
        if (expected === null) continue
        const values = new Float32Array(rows * WIDTH)
        engine.readFloats(sum, values)
        checked += values.length
        for (const [at, value] of values.entries()) {
          const must = (expected[at] ?? 0) * scaleOfAll
          if (!(Math.abs(value - must) <= TOLERANCE * Math.max(1, Math.abs(must)))) wrong += 1
        }
      }
      return { microseconds, wrong, checked, backend: groupCounters()?.backend ?? "" }
    },
  }
}
