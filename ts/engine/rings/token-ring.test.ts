import { Worker } from "node:worker_threads"
import t from "tap"
import { RECORD_WORDS } from "./record.ts"
import { CONTROL_WORDS, HEAD, TAIL } from "./ring-control.ts"
import { allocateTokenRing, createTokenRingReader, createTokenRingWriter } from "./token-ring.ts"

const ring = new URL("./token-ring.js", import.meta.url).href

/** Both counters set to `units`, as after so many records. */
function age(memory: SharedArrayBuffer, units: number): void {
  const control = new Int32Array(memory, 0, CONTROL_WORDS)
  control[HEAD] = units | 0
  control[TAIL] = units | 0
}

function record(value: number): Int32Array {
  return new Int32Array(RECORD_WORDS).fill(value)
}

t.test("records come out in order across the end of the ring and across 2^31 and 2^32", async (t) => {
  for (const start of [0, 2 ** 31 - 5, 2 ** 32 - 5]) {
    const memory = allocateTokenRing(8)
    age(memory, start)
    const writer = createTokenRingWriter(memory)
    const reader = createTokenRingReader(memory)
    const seen: number[] = []
    for (let i = 0; i < 40; i++) {
      writer.write(record(i))
      if (i % 5 !== 4) continue
      t.equal(writer.flush(), true)
      reader.drain((words) => {
        for (let at = 0; at < words.length; at += RECORD_WORDS) seen.push(words[at] ?? -1)
      })
    }
    t.same(
      seen,
      Array.from({ length: 40 }, (_, i) => i),
    )
  }
})

t.test("a full ring keeps the records in the backlog and loses none", async (t) => {
  const memory = allocateTokenRing(4)
  const writer = createTokenRingWriter(memory)
  const reader = createTokenRingReader(memory)
  const seen: number[] = []
  for (let i = 0; i < 100; i++) writer.write(record(i))
  while (!writer.flush()) reader.drain((words) => seen.push(words.length / RECORD_WORDS))
  reader.drain((words) => seen.push(words.length / RECORD_WORDS))
  t.equal(
    seen.reduce((a, b) => a + b, 0),
    100,
  )
})

t.test("the records of a flush appear together, also across the end of the ring", async (t) => {
  const memory = allocateTokenRing(8)
  const writer = createTokenRingWriter(memory)
  const reader = createTokenRingReader(memory)
  const pieces: number[] = []
  const hear = (words: Int32Array) => void pieces.push(words.length / RECORD_WORDS)
  for (let i = 0; i < 5; i++) writer.write(record(i))
  t.equal(writer.flush(), true)
  for (let i = 0; i < 6; i++) writer.write(record(i))
  t.equal(writer.flush(), false)
  reader.drain(hear)
  t.equal(writer.flush(), true)
  reader.drain(hear)
  t.same(pieces, [5, 6])
})

t.test("a flood from another thread arrives whole, through a ring much smaller than it", async (t) => {
  const COUNT = 200_000
  const memory = allocateTokenRing(256)
  age(memory, 2 ** 31 - 1000)
  const worker = new Worker(
    `const { workerData } = require("node:worker_threads")
     import(workerData.ring).then(({ createTokenRingWriter }) => {
       const writer = createTokenRingWriter(workerData.memory)
       const words = new Int32Array(8)
       for (let i = 0; i < ${COUNT}; i++) {
         words[0] = i; words[7] = ~i
         writer.write(words)
         if (i % 7 === 0) while (!writer.flush()) writer.waitForRoom(1000)
       }
       while (!writer.flush()) writer.waitForRoom(1000)
     })`,
    { eval: true, workerData: { ring, memory } },
  )
  const reader = createTokenRingReader(memory)
  // A pending Atomics.waitAsync does not keep the process alive once the worker has ended.
  const alive = setInterval(() => {}, 1000)
  t.teardown(() => clearInterval(alive))
  let next = 0
  let wrong = 0
  const done = reader.run((words) => {
    for (let at = 0; at < words.length; at += RECORD_WORDS) {
      if (words[at] !== next || words[at + 7] !== ~next) wrong++
      next++
    }
    if (next === COUNT) reader.stop()
  })
  const exited = new Promise((resolve) => worker.once("exit", resolve))
  await Promise.all([done, exited])
  t.equal(next, COUNT)
  t.equal(wrong, 0)
})
