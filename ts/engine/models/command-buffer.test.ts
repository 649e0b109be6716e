import { readFileSync } from "node:fs"
import t from "tap"
import {
  Activation,
  AdjustEntryWord,
  AdjustWord,
  CommandBuffer,
  Op,
  PERSISTENT_REGISTERS,
  RopeMode,
  RouterKind,
  SampleWord,
} from "./command-buffer.ts"

/** dist/ts/engine/models -> the repository. */
const header = readFileSync(new URL("../../../../crates/mlx-jaccl-rs/shim/opcodes.h", import.meta.url), "utf8")

/** Names, without their prefix, and numbers of a C++ enum. */
function enumOf(prefix: string): Record<string, number> {
  const found: Record<string, number> = {}
  for (const [, name, value] of header.matchAll(new RegExp(`\\b${prefix}_([A-Z_]+) = (\\d+)[,\\s}]`, "g"))) {
    if (name !== undefined) found[name] = Number(value)
  }
  return found
}

t.test("opcodes and their enums are those of opcodes.h", async (t) => {
  t.same(Op, enumOf("OP"))
  t.same(RopeMode, enumOf("ROPE"))
  t.same(Activation, enumOf("ACT"))
  t.same(RouterKind, enumOf("ROUTER"))
  t.same(SampleWord, enumOf("SAMPLE"))
  t.same(AdjustWord, enumOf("ADJUST"))
  t.same(AdjustEntryWord, enumOf("ENTRY"))
  t.equal(Number(/kPersistentRegisters = (\d+)/.exec(header)?.[1]), PERSISTENT_REGISTERS)
})

t.test("an operation is its opcode, destination and operands, floats as bits", async (t) => {
  const buffer = new CommandBuffer()
  buffer.batch([
    [5, 2, 0],
    [6, 1, 9],
  ])
  const ids = buffer.tokens(Int32Array.of(11, 12, -1), 0)
  const x = buffer.rmsNorm(ids, 3, 1.5, 0)
  t.same(
    [...buffer.tape.subarray(0, buffer.length)],
    [Op.BATCH, 2, 5, 2, 0, 6, 1, 9, Op.TOKENS, ids, 0, 3, 11, 12, -1, Op.RMS_NORM, x, ids, 3, 0x3fc00000, 0],
  )
})

t.test("every operation writes as many words as opcodes.h names operands", async (t) => {
  const operands: Record<string, number> = {}
  const comments = header.matchAll(/((?:  \/\/ .*\n)+)  OP_([A-Z_]+) = /g)
  for (const [, comment = "", name = ""] of comments) operands[name] = comment.length
  t.same(Object.keys(operands).sort(), Object.keys(Op).sort())
  const heads = { queryHeads: 8, kvHeads: 4, headDim: 64 }
  const words = (write: (buffer: CommandBuffer) => unknown): number => {
    const buffer = new CommandBuffer()
    write(buffer)
    return buffer.length
  }
  const rope = { layer: 0, ropeDims: 64, ropeMode: 1, frequencies: 1, ropeScale: 1 }
  const norms = { qNorm: -1, kNorm: -1, normEps: 1e-6, normOffset: 0 }
  t.equal(
    words((b) => b.ropeAppend(70, { ...heads, ...rope, ...norms })),
    16,
  )
  t.equal(
    words((b) => b.attend(70, 71, { ...heads, layer: 0, scale: 1, window: 0, softcap: 0, sinks: -1 })),
    12,
  )
  t.equal(
    words((b) => b.embed(70, 1, 1)),
    5,
  )
  t.equal(
    words((b) => b.linear(70, 1)),
    6,
  )
  t.equal(
    words((b) => b.moe(70, 1, 2, 3, { expertsPerToken: 2, kind: 0, renormalize: true })),
    9,
  )
  t.equal(
    words((b) => b.sample(0, 2, 70, new Int32Array(16))),
    5 + 16,
  )
  t.equal(
    words((b) => b.adjust(70, -1, 1, new Int32Array(9))),
    5 + 9,
  )
})

t.test("a buffer grows and keeps what was written, floats too", async (t) => {
  const buffer = new CommandBuffer()
  for (let i = 0; i < 5000; i++) buffer.scale(70, 2)
  t.equal(buffer.length, 20_000)
  t.equal(buffer.tape[3], 0x40000000)
  t.equal(buffer.tape[19_999], 0x40000000)
  buffer.reset()
  t.equal(buffer.length, 0)
})
