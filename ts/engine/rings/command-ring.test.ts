import { Worker } from "node:worker_threads"
import t from "tap"
import { allocateCommandRing, createCommandRingReader, createCommandRingWriter } from "./command-ring.ts"
import { CONTROL_WORDS, HEAD, TAIL } from "./ring-control.ts"

const ring = new URL("./command-ring.js", import.meta.url).href

t.test("commands of any length come out whole and in order", async (t) => {
  const memory = allocateCommandRing(64)
  const control = new Int32Array(memory, 0, CONTROL_WORDS)
  control[HEAD] = control[TAIL] = 2 ** 31 - 100
  const writer = createCommandRingWriter(memory)
  const reader = createCommandRingReader(memory)
  for (const length of [0, 1, 59, 60, 13, 7, 33]) {
    t.equal(writer.send(new Uint8Array(length).fill(length)), true)
    const seen: Uint8Array[] = []
    reader.poll((body) => seen.push(body))
    t.equal(seen.length, 1)
    t.same(seen[0], new Uint8Array(length).fill(length))
  }
})

t.test("a sleeping thread takes a flood that holds commands larger than the ring", async (t) => {
  const COUNT = 3000
  const memory = allocateCommandRing(1024)
  const worker = new Worker(
    `const { workerData, parentPort } = require("node:worker_threads")
     import(workerData.ring).then(({ createCommandRingReader }) => {
       const reader = createCommandRingReader(workerData.memory)
       let seen = 0, wrong = 0
       while (seen < ${COUNT}) {
         reader.poll((body) => {
           if (body.length !== (seen * 37) % 5000 || body.some((b) => b !== seen % 251)) wrong++
           seen++
         })
         if (seen < ${COUNT}) reader.wait(1000)
       }
       parentPort.postMessage({ seen, wrong })
     })`,
    { eval: true, workerData: { ring, memory } },
  )
  const result = new Promise((resolve) => worker.once("message", resolve))
  const writer = createCommandRingWriter(memory)
  let drained: (() => void) | null = null
  writer.onDrain(() => drained?.())
  for (let i = 0; i < COUNT; i++) {
    const body = new Uint8Array((i * 37) % 5000).fill(i % 251)
    while (!writer.send(body)) {
      await new Promise<void>((resolve) => {
        drained = resolve
      })
    }
  }
  t.same(await result, { seen: COUNT, wrong: 0 })
  writer.close()
})

t.test("a command over the limit is refused", async (t) => {
  const writer = createCommandRingWriter(allocateCommandRing(64))
  t.throws(() => writer.send(new Uint8Array(2 ** 26 + 1)), { code: "invalid_request" })
})
