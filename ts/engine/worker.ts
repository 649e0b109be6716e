// Entry of the engine worker (piscina): the one thread that owns MLX, from load to exit. A thin shell: it joins the
// rings to the token half and sleeps when there is nothing to do.

import type { MessagePort } from "node:worker_threads"
import type { Command, LinkNotice } from "./link.ts"
import { createCommandRingReader, createTokenRingWriter, decodeCommand } from "./rings/index.ts"
import { createTokenHalf } from "./token-half.ts"
import type { TokenHalfOptions } from "./token-half-options.ts"

export interface WorkerTask {
  readonly commandMemory: SharedArrayBuffer
  readonly tokenMemory: SharedArrayBuffer
  readonly port: MessagePort
  readonly options: TokenHalfOptions
}

/** What comes over the port. */
export type WorkerMessage = LinkNotice | { readonly type: "up" }

const IDLE_MS = 1000
const FULL_RING_MS = 20
const REPORT_US = 1_000_000

/** Returns after a shutdown command; rejects when MLX cannot be opened. */
export default async function run({ commandMemory, tokenMemory, port, options }: WorkerTask): Promise<void> {
  const { Checkpoint, hostMemory, loadMlx, NativeEngine } = await import("mlx-jaccl-rs")
  loadMlx(options.libmlxPath, options.shimPath)
  const { device, executor, threads, numeric, isa, cacheLimitBytes } = options
  const limit = cacheLimitBytes === null ? {} : { cacheLimitBytes }
  const engine = new NativeEngine({ device, executor, threads, numeric, isa, ...limit })

  const commands = createCommandRingReader(commandMemory)
  const records = createTokenRingWriter(tokenMemory)
  const nowUs = (): number => Math.round(performance.now() * 1000)
  const half = createTokenHalf(options, {
    engine,
    openCheckpoint: (path) => new Checkpoint(path),
    hostAvailableBytes: () => hostMemory().availableBytes,
    emit: (words) => records.write(words),
    notify: (notice) => port.postMessage(notice satisfies WorkerMessage),
    nowUs,
  })
  port.postMessage({ type: "up" } satisfies WorkerMessage)

  let reportedUs = nowUs()
  let wasBusy = true
  try {
    while (half.isOpen) {
      const taken: Command[] = []
      commands.poll((body) => taken.push(decodeCommand(body)))
      for (const command of taken) {
        // Commands behind a load wait for it.
        const loading = half.handle(command)
        if (loading !== null) await loading
      }
      const isRoom = records.flush()
      const worked = isRoom && half.step()
      records.flush()
      // The last report of a busy time tells that it is over.
      if ((worked || wasBusy) && (!worked || nowUs() - reportedUs > REPORT_US)) {
        half.report()
        reportedUs = nowUs()
      }
      wasBusy = worked
      if (!isRoom) records.waitForRoom(FULL_RING_MS)
      else if (!worked && half.isOpen) commands.wait(IDLE_MS)
    }
  } finally {
    half.close()
    records.flush()
    port.close()
  }
}
