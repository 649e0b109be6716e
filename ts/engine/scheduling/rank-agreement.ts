// Whether all ranks hold the same hidden states: each hashes its own, the hashes are gathered within the step, and every
// rank compares them before it lets go of the step's tokens. Damage that reached one rank ends the group here.

import type { NativeEngine } from "mlx-jaccl-rs"
import { EngineError } from "../errors.ts"
import { type CommandBuffer, HASH_PARTS, type Register } from "../models/index.ts"

export interface RankAgreement {
  /** Appends the comparison of `hidden` to a step; `out` survives it. */
  append(buffer: CommandBuffer, hidden: Register, out: Register): void
  /** Waits for the step. Throws where a rank differs. */
  check(out: Register, step: number): void
}

export function createRankAgreement(engine: Pick<NativeEngine, "readFloats">, ranks: number): RankAgreement {
  const hashes = new Float32Array(HASH_PARTS * ranks)
  const hashOf = (rank: number) => hashes.subarray(rank * HASH_PARTS, (rank + 1) * HASH_PARTS).join()
  return {
    append(buffer, hidden, out) {
      buffer.allGather(buffer.hash(hidden), out)
    },
    check(out, step) {
      engine.readFloats(out, hashes)
      const all = Array.from({ length: ranks }, (_, rank) => hashOf(rank))
      if (all.every((hash) => hash === all[0])) return
      throw new EngineError("engine_lost", `rank group lost: ${describe(all)} in step ${step}`)
    },
  }
}

/** Names the ranks that are alone with what they have, where a majority has something else. */
function describe(hashes: readonly string[]): string {
  const holders = (hash: string) => hashes.filter((other) => other === hash).length
  const odd = [...hashes.keys()].filter((rank) => holders(hashes[rank] ?? "") * 2 < hashes.length)
  const isMajority = hashes.some((hash) => holders(hash) * 2 > hashes.length)
  if (!isMajority) return "the ranks hold different hidden states"
  return `rank ${odd.join(" and ")} holds other hidden states than the rest`
}
