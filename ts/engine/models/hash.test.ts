// OP_HASH in both executors: equal bits give equal hashes, any change of an element or of their order another one.

import t from "tap"
import { CommandBuffer, HASH_PARTS, type Register } from "./command-buffer.ts"
import { openMlx, openRandomModel, writeRandomModel } from "./random-model-fixture.ts"

const NEGATIVE_ZERO = -0

openMlx()
const folder = t.testdir()
writeRandomModel(folder)

for (const executor of ["mlx", "auto"] as const) {
  t.test(`${executor}: a hash tells its operand from others`, async (t) => {
    const model = openRandomModel(folder, { executor })
    const { engine, store } = model
    t.teardown(() => engine.close())
    const handle = engine.kvOpen(store)
    const buffer = new CommandBuffer()
    function hashOf(change: (x: Register) => Register): string {
      buffer.reset()
      buffer.batch([[handle, 3, 0]])
      const x = model.forward(buffer, buffer.tokens(Int32Array.of(5, 17, 3), -1))
      const hash = buffer.hash(change(x))
      buffer.evaluate([hash])
      engine.exec(buffer.tape, buffer.length)
      const parts = new Float32Array(HASH_PARTS)
      engine.readFloats(hash, parts)
      t.ok(
        parts.every((part) => Number.isInteger(part) && part >= 0 && part < 65_536),
        `parts ${parts.join()} are of 16 bits`,
      )
      return parts.join()
    }
    const plain = hashOf((x) => x)
    t.equal(
      hashOf((x) => buffer.rows(x, Int32Array.of(0, 1, 2))),
      plain,
    )
    const changes: ((x: Register) => Register)[] = [
      (x) => buffer.rows(x, Int32Array.of(1, 0, 2)),
      (x) => buffer.rows(x, Int32Array.of(0, 1)),
      (x) => buffer.scale(x, 1 + 2 ** -20),
      (x) => buffer.scale(x, 0),
      (x) => buffer.scale(x, NEGATIVE_ZERO),
    ]
    t.equal(new Set([plain, ...changes.map((change) => hashOf(change))]).size, changes.length + 1)
  })
}
