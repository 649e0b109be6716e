import t from "tap"
import { CommandBuffer } from "../models/index.ts"
import { createRankAgreement } from "./rank-agreement.ts"

/** shim/opcodes.h. */
const Op = { ALL_GATHER: 15, HASH: 30 }

const engineOf = (hashes: readonly (readonly number[])[]) => ({
  readFloats(_: number, out: Float32Array) {
    out.set(hashes.flat())
    return out.length
  },
})

t.test("a step gathers the hash of its hidden states into a register that survives it", async (t) => {
  const buffer = new CommandBuffer()
  createRankAgreement(engineOf([]), 2).append(buffer, 70, 9)
  const [hash, hashed, hidden, gather, out, gathered] = buffer.tape
  t.same([hash, hidden, gather, out], [Op.HASH, 70, Op.ALL_GATHER, 9])
  t.equal(hashed, gathered)
})

t.test("equal hashes pass, and a rank that differs is named", async (t) => {
  const same = [1, 2, 3, 4]
  const other = [1, 2, 3, 5]
  t.doesNotThrow(() => createRankAgreement(engineOf([same, same, same]), 3).check(9, 7))
  t.throws(() => createRankAgreement(engineOf([same, other, same]), 3).check(9, 7), {
    message: "rank group lost: rank 1 holds other hidden states than the rest in step 7",
  })
  t.throws(() => createRankAgreement(engineOf([same, other]), 2).check(9, 8), {
    code: "engine_lost",
    message: "rank group lost: the ranks hold different hidden states in step 8",
  })
})
