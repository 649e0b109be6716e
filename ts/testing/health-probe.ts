// A worker thread that asks GET /health again and again, so that a busy test does not measure itself. Told to stop by any
// message, it answers with how long each answer took; its first message says that it has begun.

import { parentPort, workerData } from "node:worker_threads"

const PAUSE_MS = 10
const TIMEOUT_MS = 10_000

const address = String(workerData)
const tookMs: number[] = []
const over = new AbortController()
parentPort?.once("message", () => over.abort())
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a MessagePort has no origin
parentPort?.postMessage("begun")
while (!over.signal.aborted) {
  const start = performance.now()
  const answered = await fetch(`${address}/health`, { signal: AbortSignal.timeout(TIMEOUT_MS) }).then(
    async (response) => (await response.arrayBuffer()).byteLength > 0 && response.status === 200,
    () => false,
  )
  tookMs.push(answered ? performance.now() - start : Number.POSITIVE_INFINITY)
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
}
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a MessagePort has no origin
parentPort?.postMessage(tookMs)
